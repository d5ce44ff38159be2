import { BufferPool, giveBack } from '../../buffer-pool.ts'

/** Reused, because transferred buffers would burden the garbage collectors of both threads with every byte. */
const memory = new BufferPool({ bytesMax: 32 * 1024 * 1024, shared: true })

/**
 * Calls `use` with bytes in memory that worker threads share: `bytes` itself or a copy in pooled memory. If `use` fails,
 * a thread may still read the copy, so it is left to the garbage collector instead of going back to the pool.
 */
export async function withSharedBytes<T>(bytes: Uint8Array, use: (bytes: Uint8Array) => Promise<T>): Promise<T> {
  if (bytes.buffer instanceof SharedArrayBuffer) return use(bytes)
  const copy = memory.lend(bytes.length)
  copy.set(bytes)
  const result = await use(copy)
  giveBack(copy)
  return result
}
