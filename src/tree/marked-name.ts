import { nameBytesMax } from './path.ts'

/** `name` with `mark` before its extension, cut so that it stays within the bounds of a name. */
export function markedName(name: string, mark: string): string {
  const dot = name.lastIndexOf('.')
  // A leading dot begins a hidden file, not an extension; a very long one isn't an extension either.
  const hasExtension = dot > 0 && name.length - dot <= 16
  const extension = hasExtension ? name.slice(dot) : ''
  const stem = hasExtension ? name.slice(0, dot) : name
  return cutToBytes(stem, nameBytesMax - Buffer.byteLength(mark + extension)) + mark + extension
}

/** The longest beginning of a text that fits into a number of bytes of UTF-8. */
export function cutToBytes(text: string, bytesMax: number): string {
  let bytes = 0
  let kept = ''
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > bytesMax) break
    kept += character
  }
  return kept
}
