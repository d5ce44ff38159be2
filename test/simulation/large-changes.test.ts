import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import type { Head } from '../../src/format/head-codec.ts'
import { LogStore } from '../../src/log/hypercore/store.ts'
import { LogWriter } from '../../src/log/writer.ts'
import { type Command, startClone, startShare } from '../support/cli.ts'
import { waitUntilEqual } from '../support/snapshot.ts'
import { startTestnet } from '../support/testnet.ts'
import { until } from '../support/until.ts'
import { Dice } from './edits.ts'
import { roundsOr, seedsWith } from './seeds.ts'

const seeds = seedsWith()
const rounds = roundsOr(8)
const many = 400

/** Edits that change hundreds of paths at once: such versions are recorded as deltas. */
const changes: Record<string, (at: string, dice: Dice) => void> = {
  'add files': (at, dice) => {
    const directory = join(at, `added-${dice.roll(1e6)}`)
    mkdirSync(directory)
    for (let i = 0; i < many; i++) writeFileSync(join(directory, `${i}`), `${dice.roll(1e6)}`)
  },
  'change files': (at) => forEachFile(at, (path, i) => i % 2 === 0 && writeFileSync(path, `${readFileSync(path)}+`)),
  'change modes': (at) => forEachFile(at, (path, i) => i % 3 === 0 && chmodSync(path, 0o600)),
  'remove files': (at) => forEachFile(at, (path, i) => i % 4 === 0 && rmSync(path)),
  'make them links': (at) =>
    forEachFile(at, (path, i) => {
      if (i % 5 !== 0) return
      rmSync(path)
      symlinkSync('elsewhere', path)
    }),
  'rename a directory': (at, dice) => {
    const [name] = readdirSync(at).filter((each) => each.startsWith('added'))
    if (name !== undefined) renameSync(join(at, name), join(at, `added-${dice.roll(1e6)}`))
  },
  'copy a directory': (at, dice) => {
    const [name] = readdirSync(at).filter((each) => each.startsWith('added'))
    if (name !== undefined) cpSync(join(at, name), join(at, `added-${dice.roll(1e6)}`), { recursive: true })
  },
  'remove a directory': (at) => {
    const names = readdirSync(at).filter((each) => each.startsWith('added'))
    if (names.length > 2) rmSync(join(at, names[0] as string), { recursive: true })
  }
}

function forEachFile(at: string, act: (path: string, i: number) => unknown): void {
  let i = 0
  for (const { parentPath, name } of readdirSync(at, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && !each.parentPath.includes('.p2psync'))
    .slice(0, 3 * many))
    act(join(parentPath, name), i++)
}

for (const seed of seeds) {
  test(`large changes and restarts leave two equal trees (seed ${seed})`, async (t) => {
    await simulate(t, seed)
  })
}

async function simulate(t: Assert, seed: number): Promise<void> {
  const dice = new Dice(seed)
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  const change = (what = dice.pick(Object.keys(changes))) => {
    changes[what]?.(source, dice)
    return what
  }
  for (let i = 0; i < 2; i++) change('add files')
  const share = () => startShare(t, source, { bootstrap, args: ['--rescan-interval', '2s'] })
  const clone = () => startClone(t, writer.key, mirror, { bootstrap })
  let writer = await share()
  let reader: Command = clone()
  await waitUntilEqual(t, source, mirror)
  const errors: unknown[] = []
  const end = async (command: Command) => {
    await command.kill(dice.pick(['SIGTERM', 'SIGKILL'] as const))
    errors.push(...command.events.filter(({ type }) => type === 'error' || type === 'conflict'))
  }

  for (let round = 0; round < rounds; round++) {
    const from = writer.events.length
    const done = [change()]
    const [what, when] = [dice.roll(4), dice.roll(3)]
    // At once, or while the change is being applied, if it changed anything.
    const isPublished = () => writer.events.slice(from).some(({ type }) => type === 'published')
    if (when > 0) await until(isPublished, { what: 'a version', ms: 2000 }).catch(() => {})
    if (what === 0) {
      await end(reader)
      done.push('end the reader', change())
      reader = clone()
    } else if (what === 1) {
      await end(writer)
      done.push('end the writer', change())
      writer = await share()
    }
    t.comment(`round ${round}: ${done.join(', ')}`)
    if (dice.roll(3) > 0) await waitUntilEqual(t, source, mirror)
  }
  await waitUntilEqual(t, source, mirror)
  await end(reader)
  await end(writer)
  t.alike(errors, [], 'no errors or conflicts')
  const { deltas = [] } = (await lastHead(source)) ?? {}
  t.ok(deltas.length > 0, `the last ${deltas.length} large versions were recorded as deltas`)
}

async function lastHead(folder: string): Promise<Head | undefined> {
  const store = await LogStore.openReadOnly(join(folder, '.p2psync/store'))
  try {
    return await (await LogWriter.open(store)).head()
  } finally {
    await store.close()
  }
}
