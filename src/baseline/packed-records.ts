import { decodeEntry, encodeEntry } from '../format/entry-codec.ts'
import type { BaselineRecord, Unchanged } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'

/** Separates the signature, which consists of digits, dots and colons, from the entry behind it. */
const separator = '|'

interface Slot {
  readonly packed: string
  /** The last round in which the file was seen unchanged, from 1; 0 for none. */
  seenIn: number
}

function isSigned(packed: string, signature: string): boolean {
  return packed[signature.length] === separator && packed.startsWith(signature)
}

/**
 * Baseline records by path, each packed into one string and parsed on access. That takes a fifth of the memory of
 * objects, and the garbage collector has nothing to trace. `get` returns a copy.
 */
export class PackedRecords {
  readonly #packed = new Map<TreePath, Slot>()
  #round = 0
  /** The record returned last, which callers often request again. */
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

  /** Starts a new round of marking unchanged files; forgets the marks of earlier rounds. */
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

/** A record that parses its entry on first access. */
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
