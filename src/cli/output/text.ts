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

interface Connected {
  readonly transport: 'tcp' | 'udx'
  readonly distance: 'machine' | 'lan' | 'wan'
}

const places = { machine: ' on this machine', lan: ' LAN', wan: '' } as const

/** How a peer is connected, such as `TCP LAN`. */
export function showTransport({ transport, distance }: Connected): string {
  return `${transport.toUpperCase()}${places[distance]}`
}

/** `2 peers (1 TCP LAN, 1 UDX)`. */
export function showPeers(peers: readonly Connected[]): string {
  const counts = new Map<string, number>()
  for (const peer of peers) counts.set(showTransport(peer), (counts.get(showTransport(peer)) ?? 0) + 1)
  const kinds = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')
  return showMany(peers.length, 'peer') + (kinds === '' ? '' : ` (${kinds})`)
}

/** `75` → `1m15s`. */
export function showSeconds(seconds: number): string {
  const rounded = Math.max(0, Math.ceil(seconds))
  if (rounded < 60) return `${rounded}s`
  if (rounded < 3600) return `${Math.floor(rounded / 60)}m${twoDigits(rounded % 60)}s`
  return `${Math.floor(rounded / 3600)}h${twoDigits(Math.floor((rounded % 3600) / 60))}m`
}

/** `7` → `07`. */
export function twoDigits(number: number): string {
  return String(number).padStart(2, '0')
}

// Characters that control a terminal or make a name look like another one: controls, changes of direction, and
// characters without width. Variation selectors, which choose the style of an emoji, are harmless.
const unprintable = /(?![\ufe00-\ufe0f])[\p{Control}\p{Default_Ignorable_Code_Point}\p{Surrogate}\u2028\u2029]/gu

/** Escapes the characters of a name, or of a message that may contain one, that could control a terminal. */
export function showName(name: string): string {
  return name.replaceAll(unprintable, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    const code = character.codePointAt(0) as number
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

/** `showName` for a text of several lines. */
export function showLines(text: string): string {
  return text.split('\n').map(showName).join('\n')
}

/** A value as JSON on one line, with the escapes of JSON for characters that could control a terminal. */
export function showJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(unprintable, (character) => {
    const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
  })
}

/** Breaks a text at spaces into lines of at most `width` characters; a longer word gets a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** Cuts a text to a number of columns. */
export function cut(text: string, columns: number): string {
  return [...text].length <= columns ? text : `${[...text].slice(0, Math.max(0, columns - 1)).join('')}…`
}
