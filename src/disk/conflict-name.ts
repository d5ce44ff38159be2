import { nameBytesMax } from '../tree/path.ts'

/**
 * The name under which a local edit is kept when the log takes its path:
 * `name.conflict-<time>-<host>.ext`, with a number from the second one on.
 *
 * @param time when it was set aside, UTC to the second
 */
export function conflictName(name: string, time: Date, host: string, attempt: number): string {
  const stamp = time.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')
  const safeHost = host.replaceAll(/[^A-Za-z0-9-]/g, '').slice(0, 32) || 'here'
  const mark = `.conflict-${stamp}-${safeHost}${attempt > 1 ? `-${attempt}` : ''}`
  const dot = name.lastIndexOf('.')
  // A leading dot begins a hidden file, not an extension; a very long one isn't an extension either.
  const hasExtension = dot > 0 && name.length - dot <= 16
  const extension = hasExtension ? name.slice(dot) : ''
  const stem = hasExtension ? name.slice(0, dot) : name
  return cutToBytes(stem, nameBytesMax - Buffer.byteLength(mark + extension)) + mark + extension
}

/** As much of a text from its beginning as fits into so many bytes of UTF-8. */
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
