import { readFileSync, writeFileSync } from 'node:fs'
import { type Reply, serveJobs } from '../../src/disk/threads/worker-port.ts'
import { SyncError } from '../../src/errors.ts'

/** Jobs for the tests of worker threads. */
const jobs = {
  sum: ({ numbers }: { readonly numbers: readonly number[] }): Reply<number> => ({
    answer: numbers.reduce((a, b) => a + b, 0)
  }),
  /** Adds one to each byte. */
  count: (bytes: Uint8Array<ArrayBuffer>): Reply<Uint8Array> => ({
    answer: bytes.map((byte) => byte + 1),
    transfer: [bytes.buffer]
  }),
  read: (path: string): Reply<string> => ({ answer: readFileSync(path, 'utf8') }),
  fill: (): Reply<never> => {
    throw new SyncError('DISK_FULL', 'No room', { cause: new Error('the reason') })
  },
  /** Creates a file to report its start, and blocks its thread until `flag` is not 0. */
  hold: ({ flag, path }: { readonly flag: Int32Array; readonly path: string }): Reply<string> => {
    writeFileSync(path, '')
    Atomics.wait(flag, 0, 0)
    return { answer: path }
  },
  die: async (): Promise<Reply<never>> => {
    setImmediate(() => {
      throw new Error('a fault of its own')
    })
    return new Promise(() => {})
  }
}

export type TestJobs = typeof jobs

serveJobs(jobs)
