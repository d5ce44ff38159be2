import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import type { RecordOf } from '../../../src/handle/operations.ts'
import { Dice } from '../../simulation/edits.ts'
import { seedsWith } from '../../simulation/seeds.ts'
import { start, startShare } from '../../support/cli.ts'
import { hashOf } from '../../support/entries.ts'
import { longTestHangMs } from '../../support/hang.ts'
import { snapshot } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { until } from '../../support/until.ts'
import { linesOf, Watched } from '../../support/watched.ts'

const clientCount = Number(process.env.P2PSYNC_CLIENTS ?? 6)
const changeCount = Number(process.env.P2PSYNC_CHANGES ?? 300)
const changesPerRound = 20
const [fileCount, directoryCount] = [300, 6]

for (const seed of seedsWith()) {
  const what = `${clientCount} watchers see ${changeCount} changes once, in order, across restarts of the source`
  test(`${what} (seed ${seed})`, { timeout: longTestHangMs }, (t) => watchAll(t, seed))
}

async function watchAll(t: Assert, seed: number): Promise<void> {
  const { text: bootstrap } = await startTestnet(t)
  const folder = await t.tmp()
  const user = new User(folder, await t.tmp(), new Dice(seed))
  const share = () => startShare(t, folder, { bootstrap })
  let source = await share()
  await source.event('up-to-date')
  const watch = (where: string, directory = '') => {
    const args = ['watch', where, ...(directory === '' ? [] : [directory]), '--json']
    return new Watched(start(t, args, { bootstrap }), directory)
  }
  // By key, and through the process that runs the folder; the whole folder, and one directory.
  const watchers = [watch(folder), watch(folder, 'd0'), watch(source.key, 'd0'), watch(source.key)]
  while (watchers.length < clientCount - 1) watchers.push(watch(source.key))
  await until(() => watchers.every((each) => each.read().start !== undefined), { what: 'the listings' })
  for (const { tree, directory } of watchers) {
    t.is(tree.size, directory === '' ? fileCount + directoryCount : fileCount / directoryCount + 1)
  }

  const rounds = Math.ceil(changeCount / changesPerRound)
  const at = (share: number) => Math.floor(rounds * share)
  for (let round = 0; round < rounds; round++) {
    user.change(changesPerRound / 2)
    // This one lists the folder while new versions come.
    if (round === at(1 / 4)) watchers.push(watch(source.key))
    const signal = round === at(1 / 2) ? 'SIGKILL' : round === at(3 / 4) ? 'SIGTERM' : undefined
    if (signal !== undefined) await source.kill(signal)
    user.change(changesPerRound / 2)
    if (signal !== undefined) source = await share()
    // No path changes twice before the watchers saw it, so that versions can't merge two changes.
    await until(() => watchers[3]?.has(user.fresh), { what: `the changes of round ${round}` }).catch((error: Error) =>
      t.fail(`${error.message}: ${user.fresh.filter((line) => !watchers[3]?.has([line]))}`)
    )
    user.rest()
  }

  const truth = new Map(
    [...snapshot(folder)].map(([path, line]) => [path, line.split(' ').at(line.startsWith('file') ? -1 : 0) ?? ''])
  )
  const isDone = (each: Watched) => {
    const { tree, directory } = each.read()
    const wanted = [...truth].filter(([path]) => each.concerns(path))
    return (
      tree.size === wanted.length &&
      wanted.every(([path, content]) => tree.get(path) === content) &&
      directory !== undefined
    )
  }
  await until(() => watchers.every(isDone), { what: 'the same trees' }).catch(() => {})
  const [, , , reference] = watchers
  const reported = reference?.changes ?? []
  for (const [i, each] of watchers.entries()) {
    t.ok(isDone(each), `watcher ${i} has reported everything in the folder`)
    t.alike(each.faults, [], 'nothing out of order')
    t.alike(
      [...each.counts].filter(([, count]) => count > 1),
      [],
      'nothing twice'
    )
    const expected = reported.filter(
      (line) => Number.parseInt(line, 10) > (each.start ?? 0) && each.concerns(line.split(' ')[2] ?? '')
    )
    t.alike(each.changes, expected, 'the same as the others, in the same order')
  }
  t.alike([...(reference?.counts.keys() ?? [])].sort(), [...user.changes].sort(), `each of ${user.count} changes`)
  const log = start(t, ['log', folder, '--since', String(reference?.start), '--json'], { bootstrap })
  t.is(await log.exit(), 0)
  t.alike(loggedIn(log.events as unknown as readonly RecordOf<'log'>[]), reported, 'and as the log has it')
  for (const { command } of watchers) t.is(await command.kill('SIGTERM'), 130)
}

/** The changes of a log, oldest version first. */
function loggedIn(records: readonly RecordOf<'log'>[]): readonly string[] {
  const versions: string[][] = []
  for (const record of records) {
    if (record.type === 'version') versions.push([])
    else versions.at(-1)?.push(...linesOf(record).map((line) => `${record.version} ${line}`))
  }
  return versions.reverse().flat()
}

/** A user who changes files: names and contents are unique, and no path changes twice before `rest`. */
class User {
  readonly changes: string[] = []
  /** The changes since the last rest. */
  fresh: string[] = []
  count = 0
  readonly #folder: string
  readonly #aside: string
  readonly #dice: Dice
  #settled: string[] = []
  #touched: string[] = []
  readonly #hashes = new Map<string, string>()
  #names = 0

  /** @param aside a directory to write files in: they appear in the folder complete, never as empty files */
  constructor(folder: string, aside: string, dice: Dice) {
    this.#folder = folder
    this.#aside = aside
    this.#dice = dice
    for (let i = 0; i < directoryCount; i++) mkdirSync(join(folder, `d${i}`))
    for (let i = 0; i < fileCount; i++) this.#write(`d${i % directoryCount}/f${i}`)
    this.rest()
  }

  rest(): void {
    this.#settled.push(...this.#touched.splice(0))
    this.fresh = []
  }

  change(count: number): void {
    for (let i = 0; i < count; i++) {
      this.count++
      const roll = this.#dice.roll(10)
      const path = this.#settled.splice(this.#dice.roll(this.#settled.length), 1)[0] as string
      if (roll < 3) this.#say(`~ ${path} ${this.#write(path)}`)
      else if (roll < 5) {
        rmSync(join(this.#folder, path))
        this.#say(`- ${path}`)
      } else if (roll < 8) {
        const to = this.#newPath()
        renameSync(join(this.#folder, path), join(this.#folder, to))
        this.#hashes.set(to, this.#hashes.get(path) ?? '')
        this.#touched.push(to)
        this.#say(`- ${path}`, `+ ${to} ${this.#hashes.get(to)}`)
      } else {
        this.#settled.push(path)
        const added = this.#newPath()
        this.#say(`+ ${added} ${this.#write(added)}`)
      }
    }
  }

  #newPath(): string {
    return `d${this.#dice.roll(directoryCount)}/n${this.#names++}`
  }

  #write(path: string): string {
    const content = `content ${this.#dice.roll(1e9)} of ${path}`
    const written = join(this.#aside, 'written')
    writeFileSync(written, content)
    renameSync(written, join(this.#folder, path))
    this.#touched.push(path)
    this.#hashes.set(path, hashOf(content))
    return hashOf(content)
  }

  #say(...lines: readonly string[]): void {
    this.changes.push(...lines)
    this.fresh.push(...lines)
  }
}
