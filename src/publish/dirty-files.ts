import { chunkBytesMin } from '../chunk/chunker.ts'
import { packBytesTarget } from '../format/pack-codec.ts'
import type { Scan, ScanDiff, SeenFile } from '../tree/diff.ts'
import type { TreePath } from '../tree/path.ts'

/** Fewer small files are read one by one: sooner than a thread has been started for them. */
const batchedMin = 16
/** Files of one batch: tiny ones would make it long. */
const batchFilesMax = 512

/** A file that is to be read by itself, with its size as it was seen. */
export interface DirtyFile {
  readonly path: TreePath
  readonly size: number
}

/** What is to be read next: some small files together, or one. */
export type DirtyFiles = DirtyFile | { readonly small: readonly TreePath[] }

/** The files that a pass has to read, in the order in which it does: small ones in batches that make a pack each. */
export class DirtyFileQueue {
  /** Bytes of them all, as they were seen. */
  readonly bytes: number
  readonly files: number
  readonly #sizes: ReadonlyMap<TreePath, number>
  /** The next ones are at the end. */
  readonly #small: TreePath[]
  readonly #others: TreePath[]

  constructor({ suspects }: ScanDiff, { seen }: Scan) {
    const sizes = new Map<TreePath, number>()
    for (const path of suspects) sizes.set(path, (seen.get(path) as SeenFile).size)
    const isSmall = (path: TreePath) => (sizes.get(path) as number) < chunkBytesMin
    const small = suspects.filter(isSmall)
    const areMany = small.length >= batchedMin
    this.#small = areMany ? small.reverse() : []
    this.#others = (areMany ? suspects.filter((path) => !isSmall(path)) : [...suspects]).reverse()
    this.#sizes = sizes
    this.files = suspects.length
    this.bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  }

  get isEmpty(): boolean {
    return this.#small.length === 0 && this.#others.length === 0
  }

  /** Adds a file that has to be read by itself, as the next. */
  later(path: TreePath): void {
    this.#others.push(path)
  }

  next(): DirtyFiles | undefined {
    const other = this.#others.pop()
    if (other !== undefined) return { path: other, size: this.#sizes.get(other) as number }
    const small: TreePath[] = []
    let bytes = 0
    for (let path = this.#small.at(-1); path !== undefined; path = this.#small.at(-1)) {
      bytes += this.#sizes.get(path) as number
      if (small.length > 0 && (bytes > packBytesTarget || small.length >= batchFilesMax)) break
      small.push(path)
      this.#small.pop()
    }
    return small.length === 0 ? undefined : { small }
  }
}
