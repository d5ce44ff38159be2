import b4a from 'b4a'
import type Hypercore from 'hypercore'
import { decodeHead, type Head, headKey } from '../../format/head-codec.ts'
import { isBeneath, type TreePath } from '../../tree/path.ts'
import type { Version } from '../../tree/tree.ts'
import { type Block, decodeBlock, isPut, MissingBlock } from './bee-view.ts'
import { blocksOf, keyIn, piecesOf, type RawBlock, type Run } from './blocks.ts'
import { headerLength, isOurs, type LogEntry, readEntry, readPath } from './entries.ts'

/** What a version says of itself, and of the paths that it changes, each once. */
export interface VersionReport {
  readonly version: Version
  readonly head: Head
  /** Length of the log at the version before it, or at its header's end. */
  readonly before: number
  readonly changes: readonly LogEntry[]
}

/** Sees to it that blocks are here. */
export type Fetch = (start: number, end: number) => Promise<void>

export interface HistoryOptions {
  readonly fetch: Fetch
  /** Only versions that change this path, or one beneath it, and of those only what it takes to tell of it. */
  readonly path?: TreePath | ''
  /** Where all lies that it takes; everywhere when left out. */
  readonly parts?: readonly Run[] | undefined
}

interface Said {
  readonly block: Block
  readonly isPut: boolean
  readonly isWanted: boolean
}

const head = Buffer.from(headKey)
/** Blocks that are asked for together where a reader goes back one version after the other. */
const fetchedAtOnce = 1024
/** Most versions are small. */
const lookedAtFirst = 16
/** Refused where it is looked at as part of a version. */
const unreported = () => {}

/**
 * The versions after a length, up to one, the oldest first. Reads all that the log grew by, block after block.
 * Throws a `RangeError` where a block is none.
 */
export async function* versionsSince(
  core: Hypercore,
  from: number,
  to: Version,
  { fetch, path = '', parts }: HistoryOptions
): AsyncGenerator<VersionReport> {
  const start = Math.max(from, headerLength)
  if (start >= to.length) return
  await fetch(start, to.length)
  const teller = new Teller(to.fork, start, path === '' ? undefined : Buffer.from(path))
  for await (const piece of piecesOf(core, parts ?? [{ start, end: to.length }])) {
    for (const raw of piece) {
      // Of most blocks nothing but the key is of interest.
      const key = keyIn(raw.bytes)
      if (!head.equals(key)) {
        teller.say(raw, key)
        continue
      }
      const told = decodeHead(decodeBlock(raw.bytes).value ?? b4a.alloc(0))
      if (told.before === 0 && (await headsComeFirst(core))) yield* teller.begin(told, raw.seq)
      // More belongs to the same version.
      else if (!told.unfinished) yield* teller.end(told, raw.seq + 1)
    }
  }
  yield* teller.finish(to.length)
}

/** Gathers what blocks say, version by version. */
class Teller {
  readonly #fork: number
  readonly #path: Buffer | undefined
  #said: RawBlock[] = []
  /** Where what was said is about the path. */
  #wanted: number[] = []
  #before: number
  /** Of an earlier writer's version, whose changes follow. */
  #begun: Head | undefined

  constructor(fork: number, start: number, path: Buffer | undefined) {
    this.#fork = fork
    this.#before = start
    this.#path = path
  }

  say(raw: RawBlock, key: Uint8Array): void {
    this.#said.push(raw)
    if (this.#path !== undefined && isAtOrBeneath(key, this.#path)) this.#wanted.push(raw.seq)
  }

  /** A head that comes before what its version changes. */
  *begin(of: Head, length: number): Generator<VersionReport> {
    yield* this.finish(length)
    this.#begun = of
  }

  /** A head that comes behind what its version changes. */
  *end(of: Head, length: number): Generator<VersionReport> {
    yield* this.finish(of.before)
    yield* this.#tell(of, length)
  }

  /** No more is said of what was begun. */
  *finish(length: number): Generator<VersionReport> {
    if (this.#begun !== undefined) yield* this.#tell(this.#begun, length)
    this.#begun = undefined
  }

  *#tell(of: Head, length: number): Generator<VersionReport> {
    const [mine, rest] = split(this.#said, length)
    const isWanted = this.#path === undefined || this.#wanted.some((seq) => seq < length)
    if (isWanted) {
      const changes = changesIn(mine, this.#path)
      yield { version: { fork: this.#fork, length }, head: of, before: this.#before, changes }
    }
    this.#said = rest
    this.#wanted = this.#wanted.filter((seq) => seq >= length)
    this.#before = length
  }
}

/** What lies before a length, and what behind; of versions whose heads come last there is nothing behind. */
function split(said: RawBlock[], length: number): readonly [RawBlock[], RawBlock[]] {
  if ((said.at(-1)?.seq ?? 0) < length) return [said, []]
  return [said.filter(({ seq }) => seq < length), said.filter(({ seq }) => seq >= length)]
}

/** The versions up to one, and after a length, the newest first. Throws a `RangeError` where a version has no head. */
export async function* versionsBack(
  core: Hypercore,
  after: number,
  from: Version,
  { fetch, path = '', ...options }: HistoryOptions
): AsyncGenerator<VersionReport> {
  let here = from.length
  const first = Math.max(after, headerLength)
  for (let end = from.length; end > first; ) {
    if (end <= here) {
      here = Math.max(headerLength, end - fetchedAtOnce)
      await fetch(here, end)
    }
    // What changed a path, or where a version begins, isn't known before all was looked at.
    const isAll = path !== '' || (await isOfEarlierWriter(core, end))
    const start = isAll ? first : await previousEnd(core, end, fetch)
    const told: VersionReport[] = []
    const to = { fork: from.fork, length: end }
    for await (const one of versionsSince(core, start, to, { fetch, path, ...options })) told.push(one)
    yield* told.reverse()
    end = start
  }
}

/** Where the version ends that comes before the one that ends at a length; the header's end before the first. */
export async function previousEnd(core: Hypercore, end: number, fetch: Fetch): Promise<number> {
  if (await isOfEarlierWriter(core, end)) {
    let previous = headerLength
    for await (const { before } of versionsSince(core, headerLength, { fork: core.fork, length: end }, { fetch }))
      previous = before
    return previous
  }
  const last = await blockAt(core, end - 1)
  if (!last.key.equals(head)) throw new RangeError('a version without a head')
  const { before } = decodeHead(last.value ?? b4a.alloc(0))
  return before >= headerLength && before < end ? before : headerLength
}

/** Where the first version ends that ends no sooner than at a length; `undefined` where none does up to another. */
export async function endAtOrAfter(
  core: Hypercore,
  length: number,
  lengthMax: number,
  fetch: Fetch
): Promise<number | undefined> {
  let count = lookedAtFirst
  for (let seq = Math.max(length - 1, headerLength); seq < lengthMax; seq += count) {
    if (seq > length) count = Math.min(2 * count, fetchedAtOnce)
    const end = Math.min(seq + count, lengthMax)
    await fetch(seq, end)
    for await (const { seq: at, block } of blocksOf(core, seq, end)) {
      if (!block.key.equals(head)) continue
      const ended = await endBy(core, at, decodeHead(block.value ?? b4a.alloc(0)), length)
      if (ended !== undefined) return ended
    }
  }
  return length <= lengthMax && (await headsComeFirst(core)) ? lengthMax : undefined
}

/** The end of a version, no sooner than at a length, that a head in a block tells of. */
async function endBy(core: Hypercore, at: number, { unfinished, before }: Head, length: number) {
  // One that a head behind it tells of first is an earlier writer's.
  if (before > headerLength && before >= length) return before
  if (before === 0 && (await headsComeFirst(core))) return at > headerLength && at >= length ? at : undefined
  return unfinished ? undefined : at + 1
}

/** Whether the log was begun by an earlier writer: each of its versions has its head first, and no word of the one before. */
export async function headsComeFirst(core: Hypercore): Promise<boolean> {
  const { key, value } = await blockAt(core, headerLength)
  if (!key.equals(head)) return false
  const { puts, removals } = decodeHead(value ?? b4a.alloc(0))
  return puts + removals > 0
}

async function isOfEarlierWriter(core: Hypercore, end: number): Promise<boolean> {
  const { key, value } = await blockAt(core, end - 1)
  const isTold = key.equals(head) && decodeHead(value ?? b4a.alloc(0)).before > 0
  return !isTold && (await headsComeFirst(core))
}

async function blockAt(core: Hypercore, seq: number): Promise<Block> {
  const bytes = await core.get(seq)
  if (bytes === null) throw new MissingBlock()
  return decodeBlock(bytes)
}

function isAtOrBeneath(key: Uint8Array, path: Buffer): boolean {
  if (key.length < path.length || Buffer.compare(key.subarray(0, path.length), path) !== 0) return false
  return key.length === path.length || key[path.length] === 0x2f
}

/**
 * What blocks say of paths: each once, as the last of them has it.
 *
 * @param path of which it is to be known, as bytes; then what can't be the other end of a move of it is left out
 */
function changesIn(said: readonly RawBlock[], path: Buffer | undefined): readonly LogEntry[] {
  const latest = new Map<string, Said>()
  for (const { seq, bytes } of said) {
    const block = decodeBlock(bytes)
    const isWanted = path === undefined || isAtOrBeneath(block.key, path)
    if (!isOurs(block.key)) latest.set(block.key.toString('latin1'), { block, isPut: isPut(block, seq), isWanted })
  }
  const all = [...latest.values()]
  const [comes, goes] = [true, false].map((put) => all.some(({ isWanted, isPut }) => isWanted && isPut === put))
  const changes: LogEntry[] = []
  for (const { block, isPut, isWanted } of all) {
    if (!isWanted && !(isPut ? goes : comes)) continue
    const path = readPath(block.key, unreported)
    const entry = path !== undefined && isPut ? readEntry(path, block, unreported) : undefined
    if (path !== undefined && (entry !== undefined || !isPut)) changes.push([path, entry])
  }
  return changes
}

/** Whether a change is of a path, or of one beneath it; of any where it is the folder itself. */
export function concerns(change: TreePath, path: TreePath | ''): boolean {
  return change === path || isBeneath(change, path)
}
