import { promisify } from 'node:util'
import { brotliCompress, brotliDecompress, constants } from 'node:zlib'

/**
 * A pack is a block that holds many small contents, one behind the other, after a header of one
 * byte: how the rest is coded. FORMAT.md has the layout.
 */

/** Bytes of content after which a pack is full. */
export const packBytesTarget = 512 * 1024
/** Bytes of content that a pack never exceeds; a reader refuses one that would unpack to more. */
export const packBytesMax = 1024 * 1024

const codecRaw = 0
const codecBrotli = 1
/** Compression has to save this share, or the pack stays raw: unpacking costs every reader time. */
const savingMin = 0.1

const compress = promisify(brotliCompress)
const decompress = promisify(brotliDecompress)

/** The block that holds `contents`, compressed where that pays. */
export async function encodePack(contents: readonly Uint8Array[]): Promise<Buffer> {
  const raw = Buffer.concat(contents)
  if (raw.length > packBytesMax) throw new RangeError(`A pack of ${raw.length} bytes is over the limit`)
  // Quality 1: measured on source text 3.8 times smaller at 300 MB/s; higher ones gain little.
  const packed = await compress(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length }
  })
  const pays = packed.length < raw.length * (1 - savingMin)
  return Buffer.concat([Buffer.of(pays ? codecBrotli : codecRaw), pays ? packed : raw])
}

/**
 * The contents of a pack, as one run of bytes.
 *
 * @throws {RangeError} when the block is no pack of a known kind, or unpacks to over `packBytesMax`
 */
export async function decodePack(block: Uint8Array): Promise<Uint8Array> {
  const body = block.subarray(1)
  if (block[0] === codecRaw && body.length <= packBytesMax) return body
  if (block[0] !== codecBrotli) throw new RangeError('A pack is too large or of an unknown kind')
  try {
    return await decompress(body, { maxOutputLength: packBytesMax })
  } catch (error) {
    throw new RangeError('A pack does not unpack', { cause: error })
  }
}
