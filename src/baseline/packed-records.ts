import { decodeEntry, encodeEntry } from '../format/entry-codec.ts'
import type { BaselineRecord, Unchanged } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'

/** Parts the signature, which is text of digits, from the entry behind it. */
const separator = '|'

interface Slot {
  readonly packed: string
  /** The round in which the file was seen unchanged, counted from 1. */
  seenIn: number
}

function isSigned(packed: string, signature: string): boolean {
  return packed[signature.length] === separator && packed.startsWith(signature)
}

/**
 * Baseline records by path, each kept as one string and parsed when it is asked for: a fifth of what
 * the objects take, and nothing for the garbage collector to follow. What `get` gives is a copy.
 */
export class PackedRecords {
  readonly #packed = new Map<TreePath, Slot>()
  #round = 0
  /** What was asked for last: it often is asked for again. */
  #last: { readonly path: TreePath; readonly record: BaselineRecord } | undefined

  get size(): number {
    return this.#packed.size
  }

  has(path: TreePath): boolean {
    return this.#packed.has(path)
  }

  get(path: TreePath): BaselineRecord | undefined {
    if (this.#last?.path === path) return this.#last.record
    const slot = this.#packed.get(path)
    if (slot === undefined) return undefined
    const record = new PackedRecord(slot.packed)
    this.#last = { path, record }
    return record
  }

  set(path: TreePath, { entry, signature }: BaselineRecord): void {
    this.#last = undefined
    const packed = signature + separator + encodeEntry(entry).toString('latin1')
    this.#packed.set(path, { packed, seenIn: 0 })
  }

  delete(path: TreePath): void {
    this.#last = undefined
    this.#packed.delete(path)
  }

  keys(): MapIterator<TreePath> {
    return this.#packed.keys()
  }

  *[Symbol.iterator](): Generator<readonly [TreePath, BaselineRecord]> {
    for (const [path, { packed }] of this.#packed) yield [path, new PackedRecord(packed)]
  }

  /** Notes from now on which files are seen as they are recorded. What was noted before is forgotten. */
  unchanged(): Unchanged {
    const round = ++this.#round
    return {
      note: (path, signature) => {
        const slot = this.#packed.get(path)
        if (slot === undefined || signature === '' || !isSigned(slot.packed, signature)) return false
        slot.seenIn = round
        return true
      },
      has: (path) => this.#packed.get(path)?.seenIn === round
    }
  }
}

/** A record that is parsed as far as it is looked at. */
class PackedRecord implements BaselineRecord {
  readonly signature: string
  readonly #packed: string
  #entry: Entry | undefined

  constructor(packed: string) {
    this.#packed = packed
    this.signature = packed.slice(0, packed.indexOf(separator))
  }

  get entry(): Entry {
    this.#entry ??= decodeEntry(
      Buffer.from(this.#packed.slice(this.signature.length + 1), 'latin1'),
      Number.POSITIVE_INFINITY
    )
    return this.#entry
  }
}
