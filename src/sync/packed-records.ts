import { decodeEntry, encodeEntry } from '../format/entry-codec.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import type { Entry } from '../tree/entry.ts'
import type { TreePath } from '../tree/path.ts'

/** Parts the signature, which is text of digits, from the entry behind it. */
const separator = '|'

/**
 * Baseline records by path, each kept as one string and parsed when it is asked for: a fifth of what
 * the objects take, and nothing for the garbage collector to follow. What `get` gives is a copy.
 */
export class PackedRecords {
  readonly #packed = new Map<TreePath, string>()
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
    const packed = this.#packed.get(path)
    if (packed === undefined) return undefined
    const record = new PackedRecord(packed)
    this.#last = { path, record }
    return record
  }

  set(path: TreePath, { entry, signature }: BaselineRecord): void {
    this.#last = undefined
    this.#packed.set(path, signature + separator + encodeEntry(entry).toString('latin1'))
  }

  delete(path: TreePath): void {
    this.#last = undefined
    this.#packed.delete(path)
  }

  keys(): MapIterator<TreePath> {
    return this.#packed.keys()
  }

  *[Symbol.iterator](): Generator<readonly [TreePath, BaselineRecord]> {
    for (const [path, packed] of this.#packed) yield [path, new PackedRecord(packed)]
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
    this.#entry ??= decodeEntry(Buffer.from(this.#packed.slice(this.signature.length + 1), 'latin1'))
    return this.#entry
  }
}
