import { createHash } from 'node:crypto'

/** A sealed content ends with its own id and checksum: a torn or mixed content can't pass as complete. */
const idLength = 24

/** `body`, sealed under `id`. The seal comes last, so that growing content keeps its first chunks. */
export function seal(id: string, body: Uint8Array): Buffer {
  const name = Buffer.from(`\n${id.padEnd(idLength)}`)
  const hash = createHash('sha256').update(body).update(name).digest('hex')
  return Buffer.concat([body, name, Buffer.from(hash)])
}

/** The id of a complete content, else `undefined`. */
export function sealOf(content: Buffer): string | undefined {
  const bodyLength = content.length - 64 - idLength - 1
  if (bodyLength < 0) return undefined
  const hash = createHash('sha256').update(content.subarray(0, -64)).digest('hex')
  if (content.toString('latin1', content.length - 64) !== hash) return undefined
  return content.toString('utf8', bodyLength + 1, bodyLength + 1 + idLength).trimEnd()
}
