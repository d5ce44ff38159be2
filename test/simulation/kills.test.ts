import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Assert, test } from 'brittle'
import { type FailpointName, failpointNames } from '../../src/failpoints.ts'
import { type Command, packageRoot, start } from '../support/cli.ts'
import { longTestHangMs } from '../support/hang.ts'
import { type Observer, observe } from '../support/observe.ts'
import { sealOf } from '../support/sealed.ts'
import { differences } from '../support/snapshot.ts'
import { startTestnet } from '../support/testnet.ts'
import { until } from '../support/until.ts'
import { Dice } from './edits.ts'
import { SealedEdits } from './sealed-edits.ts'
import { seedsWith } from './seeds.ts'

const seeds = seedsWith(4711)
/** Total number of attempted kills, over all seeds. */
const kills = Number(process.env.P2PSYNC_KILLS ?? 10)

const writerSteps: ReadonlySet<FailpointName> = new Set(
  failpointNames.slice(failpointNames.indexOf('key-claimed'), failpointNames.indexOf('staging-emptied'))
)
const bothSteps: readonly FailpointName[] = ['file-prepared', 'marker-written']
/** Steps of a start, which a running process never reaches. */
const startSteps: ReadonlySet<FailpointName> = new Set([
  ...bothSteps,
  'key-claimed',
  'core-forked',
  'fork-durable',
  'run-noted',
  'state-reconciled',
  'staging-emptied'
])
/** Steps that only some edits lead to. */
const everySteps: ReadonlySet<FailpointName> = new Set([
  'directory-made',
  'taken-out',
  'moved',
  'removed',
  'metadata-set'
])
/** Steps reached for each file; others are reached once per version. */
const manySteps: ReadonlySet<FailpointName> = new Set([
  'chunk-read',
  'directory-made',
  'content-received',
  'file-staged',
  'exchanged',
  'placed',
  'removed'
])
/** Steps of gc, which this test never runs. */
const askedSteps: ReadonlySet<FailpointName> = new Set([
  'packs-moved',
  'chunks-forgotten',
  'blocks-cleared',
  'store-compacted'
])
const endSteps: ReadonlySet<FailpointName> = new Set(['log-flushed'])

type Side = 'writer' | 'reader'

for (const [i, seed] of seeds.entries()) {
  const share = Math.floor(kills / seeds.length) + (i < kills % seeds.length ? 1 : 0)
  test(
    `a folder killed at any step, on either side, recovers (seed ${seed}, ${share} kills)`,
    { timeout: longTestHangMs },
    (t) => killAgainAndAgain(t, seed, share)
  )
}

async function killAgainAndAgain(t: Assert, seed: number, times: number): Promise<void> {
  const dice = new Dice(seed)
  const deck = new Deck(dice)
  let pair: Pair | undefined
  for (let i = 0; i < times; i++) {
    // A new pair now and then: only the very first start reaches some steps.
    if (i % 25 === 0) {
      await pair?.end()
      pair = await Pair.open(t, dice)
    }
    if (!(await pair?.round(...deck.draw()))) break
  }
  await pair?.end()
}

/** Steps in a random order, each drawn once before any is drawn again. */
class Deck {
  readonly #dice: Dice
  #left: (readonly [Side, FailpointName])[] = []

  constructor(dice: Dice) {
    this.#dice = dice
  }

  draw(): readonly [Side, FailpointName] {
    if (this.#left.length === 0) {
      this.#left = failpointNames.map((step) => [writerSteps.has(step) ? 'writer' : 'reader', step] as const)
      this.#left.push(['writer', 'marker-written'])
      // The first start of each new pair covers the steps of first starts.
      this.#left = this.#left.filter(
        ([side, step]) =>
          step !== 'key-claimed' && !askedSteps.has(step) && (side !== 'reader' || step !== 'file-prepared')
      )
      this.#left.push(['writer', 'file-prepared'])
    }
    return this.#left.splice(this.#dice.roll(this.#left.length), 1)[0] as readonly [Side, FailpointName]
  }
}

/** A writer and a reader, either of which can be killed at a step, with an observer of the reader's folder. */
class Pair {
  readonly #t: Assert
  readonly #dice: Dice
  readonly #bootstrap: string
  readonly #home: string
  readonly #edits: SealedEdits
  readonly #commands = {} as Record<Side, Command>
  readonly #faults: string[] = []
  /** Contents in place and in the log take different code paths. */
  readonly #inPlaceAbove: string
  #observer: Observer | undefined
  #key = ''

  private constructor(t: Assert, dice: Dice, bootstrap: string, home: string) {
    this.#t = t
    this.#dice = dice
    this.#bootstrap = bootstrap
    this.#home = home
    this.#inPlaceAbove = dice.pick(['none', '1MiB', '128KiB'])
    t.comment(`in place above ${this.#inPlaceAbove}`)
    for (const name of ['source', 'mirror', 'temporary']) mkdirSync(this.#at(name))
    writeFileSync(this.#at('published'), '')
    this.#edits = new SealedEdits(dice, this.#at('source'), this.#at('published'), this.#at('temporary'))
  }

  static async open(t: Assert, dice: Dice): Promise<Pair> {
    const { text } = await startTestnet(t)
    const pair = new Pair(t, dice, text, await t.tmp())
    pair.#observer = observe(t, pair.#at('mirror'), pair.#at('published'))
    await pair.#firstStart('writer', dice.pick(['file-prepared', 'marker-written', 'key-claimed']))
    pair.#key = (await pair.#commands.writer.event('ready')).key
    await pair.#firstStart('reader', dice.pick(['file-prepared', 'marker-written', 'baseline-recorded', 'placed']))
    await pair.#settle()
    return pair
  }

  /** One attempted kill and the recovery. @returns whether no fault was found */
  async round(side: Side, step: FailpointName): Promise<boolean> {
    const dice = this.#dice
    const n = manySteps.has(step) ? 1 + dice.roll(dice.pick([1, 3, 8])) : 1
    const done: string[] = []
    if (step === 'state-reconciled') await this.#prepareReconciling()
    if (startSteps.has(step)) {
      await this.#commands[side].kill(/^(core|fork)-/.test(step) ? 'SIGKILL' : dice.pick(['SIGTERM', 'SIGKILL']))
      done.push(...this.#edits.some())
    }
    this.#arm(side, `${step} ${n}`)
    if (startSteps.has(step)) this.#start(side)
    const kept = step === 'set-aside' ? this.#edits.clash(this.#at('mirror')) : undefined
    done.push(...(dice.roll(3) === 0 || everySteps.has(step) ? this.#edits.every() : this.#edits.some()))
    if (endSteps.has(step)) this.#commands[side].kill('SIGTERM').catch(() => {})
    const killed = await this.#ended(side)
    this.#arm(side, '')
    if (killed) done.push(...(await this.#restart(side)))
    await this.#settle()
    this.#checkKept(kept)
    this.#collect()
    this.#t.alike(this.#faults, [], `${side} at ${step}, ${n}: ${killed ? 'killed' : 'not reached'}`)
    if (this.#faults.length > 0) this.#t.comment(JSON.stringify(done))
    return this.#faults.length === 0
  }

  async #restart(side: Side): Promise<string[]> {
    const done: string[] = []
    const exit = await this.#commands[side].exit()
    if (exit !== -1 && exit !== 130) {
      this.#faults.push(`the ${side} ended by itself with ${exit}: ${this.#commands[side].stderr}`)
    }
    // The side that keeps running gets more than a step ahead of the killed one.
    if (this.#dice.roll(2) === 0) {
      done.push('meanwhile', ...this.#edits.every())
      if (side === 'reader') await this.#published()
    }
    this.#start(side)
    if (this.#dice.roll(3) === 0) done.push('at once', ...this.#edits.some())
    return done
  }

  async end(): Promise<void> {
    for (const command of [this.#commands.reader, this.#commands.writer]) await command.kill('SIGTERM')
    const { rounds, reads } = (await this.#observer?.end()) ?? { rounds: 0, reads: 0 }
    this.#t.ok(rounds > 0 && reads > 0, `the mirror was walked ${rounds} times, ${reads} files were read`)
    this.#collect()
    this.#t.alike(this.#faults, [], 'no fault was found up to the end')
  }

  #at(name: string): string {
    return join(this.#home, name)
  }

  #arm(side: Side, order: string): void {
    writeFileSync(this.#at(`kill-${side}`), order)
  }

  #start(side: Side): void {
    const before = this.#commands[side]
    if (before !== undefined) this.#collect(side)
    const args =
      side === 'writer'
        ? ['share', this.#at('source'), '--rescan-interval', '1s', '--in-place-above', this.#inPlaceAbove]
        : ['clone', this.#key, this.#at('mirror'), '--in-place-above', this.#inPlaceAbove]
    const preload = pathToFileURL(join(packageRoot, 'dist/test/support/kill-at.js')).href
    const env = { NODE_OPTIONS: `--import ${preload}`, P2PSYNC_KILL_AT: this.#at(`kill-${side}`) }
    this.#commands[side] = start(this.#t, [...args, '--json'], { bootstrap: this.#bootstrap, env })
  }

  /** Starts a side for the first time, killed at a step of the start; then starts it again. */
  async #firstStart(side: Side, step: FailpointName): Promise<void> {
    this.#arm(side, `${step} 1`)
    this.#start(side)
    const killed = await this.#commands[side].exit()
    this.#t.is(killed, -1, `${side} at ${step}, 1: killed`)
    this.#arm(side, '')
    this.#start(side)
  }

  /** A writer killed between its log and its record of the log has to reconcile the two. */
  async #prepareReconciling(): Promise<void> {
    this.#arm('writer', 'version-made 1')
    this.#edits.every()
    await this.#commands.writer.exit()
    this.#collect('writer')
  }

  /** Waits until the process has exited or both sides have settled. @returns whether it has exited */
  async #ended(side: Side): Promise<boolean> {
    const command = this.#commands[side]
    await until(() => !command.running || this.#isSettled(), { what: 'an exit, or both sides to settle' }).catch(
      () => {}
    )
    return !command.running
  }

  /** Whether the reader has reached the writer's newest version, and the trees are equal. */
  #isSettled(): boolean {
    const newest = this.#commands.writer.events.findLast((event) => event.type === 'up-to-date')
    const reached = this.#commands.reader.events.findLast((event) => event.type === 'in-sync')
    if (newest === undefined || reached === undefined) return false
    if (newest.version !== reached.version || newest.fork !== reached.fork) return false
    return this.#left().length === 0
  }

  #left(): string[] {
    try {
      const left = differences(this.#at('source'), this.#at('mirror'), { directoryTimes: true })
      // A copy that was set aside is checked separately; it changes the time of its directory.
      return left.filter((line) => !/^"own(\/[^"]*conflict-[^"]*)?"/.test(line))
    } catch (error) {
      return [String(error)] // A file vanished during the comparison.
    }
  }

  async #published(): Promise<void> {
    const { events } = this.#commands.writer
    const from = events.length
    // Not every edit changes something.
    await until(() => events.slice(from).some(({ type }) => type === 'published'), {
      what: 'a version',
      ms: 3000
    }).catch(() => {})
  }

  async #settle(): Promise<void> {
    const { writer, reader } = this.#commands
    await until(() => this.#isSettled() || !writer.running || !reader.running, { what: 'both sides to settle' }).catch(
      () => {}
    )
    if (!this.#isSettled()) this.#faults.push(`not settled: ${this.#left().slice(0, 5).join('; ')} ${this.#versions()}`)
    else {
      const staging = readdirSync(this.#at('mirror/.p2psync/staging'))
      if (staging.length > 0) this.#faults.push(`left in staging: ${staging.join(' ')}`)
    }
    for (const folder of ['source', 'mirror']) {
      const left = readdirSync(this.#at(`${folder}/.p2psync`)).filter((name) => name.endsWith('.new'))
      if (left.length > 0) this.#faults.push(`left beside the marker: ${left.join(' ')}`)
    }
  }

  #versions(): string {
    const last = (side: Side, type: string) =>
      JSON.stringify(this.#commands[side].events.findLast((it) => it.type === type))
    return `${last('writer', 'up-to-date')} ${last('reader', 'in-sync')} ${last('reader', 'diverged')}`
  }

  /** Checks that the mirror's own edit is kept, once and complete, beside the file that took its path. */
  #checkKept(id: string | undefined): void {
    const own = readdirSync(this.#at('mirror/own')).filter((name) => name.includes('conflict'))
    const ids = own.map((name) => sealOf(readFileSync(this.#at(`mirror/own/${name}`))))
    if (JSON.stringify(ids) !== JSON.stringify(id === undefined ? [] : [id])) {
      this.#faults.push(`kept beside own/file: ${JSON.stringify(ids)}, not ${id}`)
    }
    for (const name of own) rmSync(this.#at(`mirror/own/${name}`))
  }

  /** Collects unexpected events of the commands and violations seen by the observer. */
  #collect(...sides: Side[]): void {
    for (const side of sides.length > 0 ? sides : (['writer', 'reader'] as const)) {
      for (const event of this.#commands[side].events.splice(0)) {
        if (event.type === 'up-to-date' || event.type === 'in-sync') this.#commands[side].events.push(event)
        if (event.type === 'conflict' && event.path === 'own/file') continue
        if (event.type === 'error' || event.type === 'problem' || event.type === 'conflict') {
          this.#faults.push(`${side}: ${JSON.stringify(event)}`)
        }
      }
    }
    this.#faults.push(...(this.#observer?.violations.splice(0) ?? []))
  }
}
