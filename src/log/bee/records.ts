import b4a from 'b4a'
import type Hypercore from 'hypercore'
import { decodeEntry } from '../../format/entry-codec.ts'
import { decodeHead, type Head, headKey } from '../../format/head-codec.ts'
import type { Entry } from '../../tree/entry.ts'
import { isPut } from './bee-view.ts'
import { blocksOf } from './blocks.ts'

/** A block of the entries core as it is: nothing in it is trusted or refused. */
export interface LogRecord {
  /** The block's index. */
  readonly seq: number
  readonly op: 'put' | 'remove'
  readonly key: string
  /** Size of the value, in bytes. */
  readonly valueBytes: number
  /** Number of nodes of the tree that changed with the block. */
  readonly nodes: number
  readonly entry?: Entry
  readonly head?: Head
  /** Why the value can't be read. */
  readonly fault?: string
}

const head = b4a.from(headKey)
const nothing = Buffer.alloc(0)

/**
 * Blocks of an entries core, one after the other. Throws a `RangeError` if one is missing, or is no block of a
 * Hyperbee.
 */
export async function* recordsOf(core: Hypercore, start: number, end: number): AsyncGenerator<LogRecord> {
  for await (const { seq, block } of blocksOf(core, start, end)) {
    const { key, value, nodes } = block
    const op = isPut(block, seq) ? 'put' : 'remove'
    const common = { seq, op, key: key.toString(), valueBytes: value?.length ?? 0, nodes: nodes.length } as const
    yield op === 'remove' ? common : { ...common, ...read(key, value ?? nothing) }
  }
}

function read(key: Buffer, value: Buffer): Pick<LogRecord, 'entry' | 'head' | 'fault'> {
  try {
    return key.equals(head) ? { head: decodeHead(value) } : { entry: decodeEntry(value) }
  } catch (error) {
    if (error instanceof RangeError) return { fault: error.message }
    throw error
  }
}
