import type { Monitor } from '../folder/monitor.ts'

/** Counts the files and bytes that a pass has read, and reports them as progress. */
export class ReadProgress {
  readonly #monitor: Monitor
  #files = 0
  readonly #filesTotal: number
  #bytes = 0
  #bytesTotal: number

  /** @param expected the files to read and their bytes, as the scan saw them */
  constructor(expected: { readonly files: number; readonly bytes: number }, monitor: Monitor) {
    this.#monitor = monitor
    this.#filesTotal = expected.files
    this.#bytesTotal = expected.bytes
  }

  addFile(): void {
    this.#files++
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes
    // A file may have grown since the scan.
    this.#bytesTotal = Math.max(this.#bytesTotal, this.#bytes)
    this.report()
  }

  report(): void {
    this.#monitor.emit({
      type: 'progress',
      phase: 'publish',
      files: this.#files,
      filesTotal: this.#filesTotal,
      bytes: this.#bytes,
      bytesTotal: this.#bytesTotal
    })
  }
}
