import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync, utimesSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Flips one bit of a file in place, as a failing disk does. Only the ctime, which can't be set, reveals it. */
export function flipBit(file: string, at: number, bit: number): void {
  const { atime, mtimeMs } = statSync(file)
  const fd = openSync(file, 'r+')
  try {
    const byte = Buffer.alloc(1)
    readSync(fd, byte, 0, 1, at)
    byte[0] = (byte[0] as number) ^ (1 << bit)
    writeSync(fd, byte, 0, 1, at)
  } finally {
    closeSync(fd)
  }
  // The middle of the same millisecond: rounding at its ends could yield another, and then the file counts as edited.
  utimesSync(file, atime, (Math.floor(mtimeMs) + 0.5) / 1000)
}

/** The place of a block's bytes in the files of a store. */
export interface StoredBlock {
  readonly file: string
  readonly at: number
  readonly bytes: Buffer
  readonly index: number
}

const headerBytes = 30
const recordBytes = 32
const footerBytes = 32

/**
 * The blocks in the value files of a closed store: those of 4 KB and more. RocksDB's blob files
 * are a header, records of a head (length of key and value, expiration, two checksums), key and value, and a footer; the
 * keys of hypercore-storage are numbers: 4, the core, 3 for blocks, the index.
 */
export function storedBlocks(store: string): StoredBlock[] {
  const db = join(store, 'db')
  const blocks: StoredBlock[] = []
  for (const name of readdirSync(db).filter((it) => it.endsWith('.blob'))) {
    const file = join(db, name)
    const bytes = readFileSync(file)
    for (let at = headerBytes; at + recordBytes <= bytes.length - footerBytes; ) {
      const keyAt = at + recordBytes
      const valueAt = keyAt + Number(bytes.readBigUInt64LE(at))
      const end = valueAt + Number(bytes.readBigUInt64LE(at + 8))
      const key = numbersOf(bytes.subarray(keyAt, valueAt))
      const [kind, , what, index] = key
      if (kind === 4 && what === 3 && index !== undefined) {
        blocks.push({ file, at: valueAt, bytes: bytes.subarray(valueAt, end), index })
      }
      at = end
    }
  }
  return blocks
}

/** Decodes the numbers of index-encoder: one byte each, or a byte for the width before the number. */
function numbersOf(key: Buffer): number[] {
  const numbers: number[] = []
  for (let at = 0; at < key.length; ) {
    const first = key[at] as number
    const length = first < 0xfc ? 0 : 2 ** (first - 0xfb)
    numbers.push(length === 0 ? first : key.readUIntBE(at + 1, Math.min(length, 6)))
    at += 1 + length
  }
  return numbers
}
