import b4a from 'b4a'
import Hyperbee, { type Node } from 'hyperbee'
import type Hypercore from 'hypercore'
import { decodeEntry, decodeUtf8 } from '../format/entry-codec.ts'
import { decodeHead, type Head, headKey } from '../format/head-codec.ts'
import type { Entry } from '../tree/entry.ts'
import { pathFault, type TreePath } from '../tree/path.ts'
import type { Problem, Version } from '../tree/tree.ts'

/** A core of this length holds the Hyperbee's header alone: no version yet. */
const headerLength = 1

/** Paths only: our own keys begin with NUL. */
const paths = { gte: Buffer.of(1) }

const head = b4a.from(headKey)

/** What a log says of one path; `undefined` where it was removed. */
export type LogEntry = readonly [path: TreePath, entry: Entry | undefined]

/** The Hyperbee over an entries core. */
export function beeOf(core: Hypercore, contentKey?: Uint8Array): Hyperbee {
  return new Hyperbee(core, {
    keyEncoding: 'binary',
    valueEncoding: 'binary',
    extension: false,
    ...(contentKey === undefined ? {} : { metadata: { contentFeed: contentKey } })
  })
}

/** The latest version that this peer knows of, or `undefined` before the first. */
export function versionOf(core: Hypercore): Version | undefined {
  return core.length > headerLength ? { fork: core.fork, length: core.length } : undefined
}

/** What the batch that made a version says of it. Throws a `RangeError` when that can't be read. */
export async function headOf(bee: Hyperbee, version: Version): Promise<Head> {
  const view = bee.checkout(version.length)
  try {
    const node = await view.get(head)
    if (node === null) throw new RangeError('a version without a head')
    return decodeHead(node.value)
  } finally {
    await view.close()
  }
}

/** All entries of a version, in the log's order. Whatever is no valid entry is refused and reported. */
export async function* entriesOf(
  bee: Hyperbee,
  version: Version,
  onProblem: (problem: Problem) => void
): AsyncGenerator<readonly [TreePath, Entry]> {
  const view = bee.checkout(version.length)
  try {
    for await (const node of view.createReadStream(paths)) {
      const path = readPath(node, onProblem)
      const entry = path && readEntry(path, node, onProblem)
      if (path !== undefined && entry !== undefined) yield [path, entry]
    }
  } finally {
    await view.close()
  }
}

/** What changed from one version to a later one of the same fork. */
export async function* changesOf(
  bee: Hyperbee,
  from: Version,
  to: Version,
  onProblem: (problem: Problem) => void
): AsyncGenerator<LogEntry> {
  const view = bee.checkout(to.length)
  const before = bee.checkout(from.length)
  try {
    for await (const { left, right } of view.createDiffStream(before, paths)) {
      const path = readPath((left ?? right) as Node, onProblem)
      if (path === undefined) continue
      const entry = left === null ? undefined : readEntry(path, left, onProblem)
      if (left === null || entry !== undefined) yield [path, entry]
    }
  } finally {
    await view.close()
    await before.close()
  }
}

/** Everything that the log said from a length on, up to a version, in its order. */
export async function* historyOf(bee: Hyperbee, fromLength: number, to: Version): AsyncGenerator<LogEntry> {
  const view = bee.checkout(to.length)
  const refused = () => {} // Reported where it is looked at as part of a version.
  try {
    for await (const node of view.createHistoryStream({ gte: Math.max(fromLength, headerLength) })) {
      if (node.key[0] === 0) continue
      const path = readPath(node, refused)
      const entry = path === undefined || node.type === 'del' ? undefined : readEntry(path, node, refused)
      if (path !== undefined && (node.type === 'del' || entry !== undefined)) yield [path, entry]
    }
  } finally {
    await view.close()
  }
}

function readPath({ key }: Node, onProblem: (problem: Problem) => void): TreePath | undefined {
  const text = decodeUtf8(key)
  const fault = text === undefined ? 'a name that is not UTF-8' : pathFault(text)
  if (fault === undefined) return text as TreePath
  onProblem({ path: text ?? key.toString('latin1'), action: 'log', message: `Refused: ${fault}` })
  return undefined
}

function readEntry(path: TreePath, { value }: Node, onProblem: (problem: Problem) => void): Entry | undefined {
  try {
    return decodeEntry(value)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    onProblem({ path, action: 'log', message: `Refused: ${error.message}` })
    return undefined
  }
}
