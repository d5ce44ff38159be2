/** Numbers and names as people read them. */

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const

/** `1234567` → `1.2 MB`; units of 1,000. */
export function showBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `1234` → `1,234`. */
export function showCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `2`, `file` → `2 files`. */
export function showMany(count: number, noun: string): string {
  return `${showCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `75` → `1m15s`. */
export function showSeconds(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`
}

// What a terminal would obey, or that would show a name as another than it is.
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is what it is for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** A name for a terminal: what could control it is escaped. */
export function showName(name: string): string {
  return name.replaceAll(unprintable, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    const code = character.charCodeAt(0)
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}
