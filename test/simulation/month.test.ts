import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import type { RecordOf } from '../../src/handle/operations.ts'
import type { Entry } from '../../src/tree/entry.ts'
import { isBeneath, parentPath, type TreePath } from '../../src/tree/path.ts'
import { start, startShare } from '../support/cli.ts'
import { hashOf } from '../support/entries.ts'
import { longTestHangMs } from '../support/hang.ts'
import { Month, type SimulatedVersion } from '../support/month.ts'
import { snapshot } from '../support/snapshot.ts'
import { Dice } from './edits.ts'
import { seedsWith } from './seeds.ts'

// A month's amount: P2PSYNC_FILES=20000 P2PSYNC_VERSIONS=5000.
const files = Number(process.env.P2PSYNC_FILES ?? 600)
const versions = Number(process.env.P2PSYNC_VERSIONS ?? 150)
const samples = Number(process.env.P2PSYNC_SAMPLES ?? 3)

for (const seed of seedsWith()) {
  const what = `${versions} versions of ${files} files read back exactly`
  test(`${what}, from a closed and a running folder (seed ${seed})`, { timeout: longTestHangMs }, async (t) => {
    const folder = await t.tmp()
    const startMs = performance.now()
    const month = await Month.make(folder, { files, versions, seed })
    t.comment(`${month.versions.length} versions made in ${Math.round((performance.now() - startMs) / 1000)} s`)
    await readAll(t, month, new Dice(seed))
    // A paused folder serves its log, but neither seeks peers nor scans the folder, which is empty.
    writeFileSync(join(folder, '.p2psync/paused'), '')
    const share = await startShare(t, folder, {})
    await readAll(t, month, new Dice(seed + 1))
    t.is(await share.kill('SIGTERM'), 130)
  })
}

async function readAll(t: Assert, month: Month, dice: Dice): Promise<void> {
  const { folder, versions } = month
  for (let i = 0; i < samples; i++) {
    const index = dice.roll(versions.length)
    const { length, timeMs } = versions[index] as SimulatedVersion
    const tree = month.treeAt(length)
    const directories = [...tree].flatMap(([path, { type }]) => (type === 'directory' ? [path] : []))
    const directory = dice.pick(directories)
    t.alike(await list(t, [`${folder}@${length}`, '-R']), described(tree), `version ${length}`)
    t.alike(
      await list(t, [`${folder}@${length}`]),
      described(tree, (path) => !path.includes('/')),
      'its root'
    )
    const inDirectory = described(tree, (path) => parentPath(path) === directory)
    t.alike(await list(t, [`${folder}@${length}`, directory]), inDirectory, `its directory ${directory}`)

    // Several versions may share a time.
    const latest = versions.findLast((version) => version.timeMs <= timeMs)
    const at = `${folder}@${new Date(Math.ceil(timeMs)).toISOString()}`
    const [first] = await run<RecordOf<'list'>>(t, ['ls', at])
    t.is(first?.type === 'version' && first.version, latest?.length, `by its time ${at}`)

    const path = dice.pick([...tree.keys()])
    const logged = await run<RecordOf<'log'>>(t, ['log', folder, path])
    const found = logged.flatMap((record) => (record.type === 'version' ? [record.version] : []))
    t.alike(found, changed(month, path), `the versions of ${path}`)

    const to = join(await t.tmp(), 'copy')
    await run(t, ['get', `${folder}@${length}`, '--to', to])
    t.alike(
      [...snapshot(to, { directoryTimes: true })].sort(),
      onDisk(month, tree).sort(),
      `a copy of version ${length}`
    )
  }
}

async function run<Record>(t: Assert, args: readonly string[]): Promise<readonly Record[]> {
  const startMs = performance.now()
  const command = start(t, [...args, '--json'])
  t.is(await command.exit(), 0, command.stderr)
  t.comment(`${args[0]} ${args.slice(2).join(' ')}: ${Math.round(performance.now() - startMs)} ms`)
  return command.events as unknown as readonly Record[]
}

async function list(t: Assert, args: readonly string[]): Promise<readonly string[]> {
  const records = await run<RecordOf<'list'>>(t, ['ls', ...args])
  return records.flatMap((record) => {
    if (record.type !== 'entry') return []
    const { path, kind, mtimeMs, mode = '', hash = '', target = '' } = record
    return [`${path} ${kind} ${mtimeMs} ${mode} ${hash} ${target}`]
  })
}

function described(tree: ReadonlyMap<TreePath, Entry>, isWanted: (path: TreePath) => boolean = () => true): string[] {
  const inBytes = (a: TreePath, b: TreePath) => Buffer.compare(Buffer.from(a), Buffer.from(b))
  return [...tree.keys()]
    .filter(isWanted)
    .sort(inBytes)
    .map((path) => {
      const entry = tree.get(path) as Entry
      const mode = entry.type === 'symlink' ? '' : entry.mode.toString(8).padStart(4, '0')
      const [hash, target] = [entry.type === 'file' ? entry.hash : '', entry.type === 'symlink' ? entry.target : '']
      return `${path} ${entry.type} ${entry.mtimeMs} ${mode} ${hash} ${target}`
    })
}

/** The versions that changed a path or paths beneath it, the newest first. */
function changed({ versions }: Month, path: TreePath): readonly number[] {
  const isOf = (each: TreePath) => each === path || isBeneath(each, path)
  return versions.flatMap(({ length, changes }) => ([...changes.keys()].some(isOf) ? [length] : [])).reverse()
}

/** The same description as `snapshot` gives of a tree on disk. */
function onDisk(month: Month, tree: ReadonlyMap<TreePath, Entry>): [string, string][] {
  return [...tree].map(([path, entry]) => {
    const { mtimeMs } = entry
    if (entry.type === 'symlink') return [path, `symlink ${mtimeMs} ${entry.target}`]
    const mode = entry.mode.toString(8)
    if (entry.type === 'directory') return [path, `directory ${mode} ${mtimeMs}`]
    return [path, `file ${mode} ${mtimeMs} ${entry.size} ${hashOf(month.contentOf(entry))}`]
  })
}
