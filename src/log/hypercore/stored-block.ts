/**
 * The value in the store under the key of a block: the bytes of the block, or a mark that they lie in a file. A mark is
 * the 8 bytes below, 1, and the length of the block as 4 bytes, little-endian; a block that happens to begin with the
 * same 8 bytes is kept behind them and a 0. FORMAT.md.
 */
const magic = Buffer.from('c6d70a92f41be835', 'hex')
const kindInline = 0
const kindPlaced = 1
const placedBytes = magic.length + 5

type Stored =
  | { readonly inline: Uint8Array; readonly placed?: never }
  | { readonly inline?: never; readonly placed: number }

/** The mark of a block that lies in a file. */
export function encodePlaced(length: number): Buffer {
  const mark = Buffer.allocUnsafe(placedBytes)
  magic.copy(mark)
  mark[magic.length] = kindPlaced
  mark.writeUInt32LE(length, magic.length + 1)
  return mark
}

/** A block that is kept in the store. */
export function encodeInline(bytes: Uint8Array): Uint8Array {
  return beginsWithMagic(bytes) ? Buffer.concat([magic, Buffer.of(kindInline), bytes]) : bytes
}

/** The bytes of a block, or its length if they lie in a file. */
export function decodeStored(value: Uint8Array): Stored {
  if (!beginsWithMagic(value)) return { inline: value }
  if (value[magic.length] !== kindPlaced) return { inline: value.subarray(magic.length + 1) }
  return { placed: Buffer.from(value.buffer, value.byteOffset, value.byteLength).readUInt32LE(magic.length + 1) }
}

function beginsWithMagic(bytes: Uint8Array): boolean {
  return bytes.length >= magic.length && magic.equals(bytes.subarray(0, magic.length))
}
