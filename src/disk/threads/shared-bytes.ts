import { BufferPool, giveBack } from '../../buffer-pool.ts'

/** To hand over buffers instead would have the garbage collector of either side count, and collect, all that ever went by. */
const memory = new BufferPool({ bytesMax: 32 * 1024 * 1024, shared: true })

/**
 * Calls `use` with bytes that worker threads see: these, or a copy of them in memory that is used again. Where it fails,
 * some thread may still look at them: then they are left to the garbage collector.
 */
export async function withSharedBytes<T>(bytes: Uint8Array, use: (bytes: Uint8Array) => Promise<T>): Promise<T> {
  if (bytes.buffer instanceof SharedArrayBuffer) return use(bytes)
  const copy = memory.lend(bytes.length)
  copy.set(bytes)
  const result = await use(copy)
  giveBack(copy)
  return result
}
