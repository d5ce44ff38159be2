import { chunkBytesMin } from '../chunk/chunker.ts'
import { packBytesTarget } from '../format/pack-codec.ts'
import type { Scan, ScanDiff, SeenFile } from '../tree/diff.ts'
import type { TreePath } from '../tree/path.ts'

/** Fewer small files are read one by one, which takes less time than starting a thread for them. */
const batchedMin = 16
/** Bounds a batch of tiny files. */
const batchFilesMax = 512

/** A file to read by itself, with its size when it was scanned. */
export interface DirtyFile {
  readonly path: TreePath
  readonly size: number
}

/** The next thing to read: a batch of small files, or one file. */
export type DirtyFiles = DirtyFile | { readonly small: readonly TreePath[] }

/** The files that a pass reads, in its order: single files first, then batches of small files, each as large as a pack. */
export class DirtyFileQueue {
  /** The bytes of all files when they were scanned. */
  readonly bytes: number
  readonly files: number
  readonly #sizes: ReadonlyMap<TreePath, number>
  /** In reverse order: the next file is the last. */
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

  /** Puts a file of a batch back, to be read next and by itself. */
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
