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
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole < 60) return `${whole}s`
  if (whole < 3600) return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`
  return `${Math.floor(whole / 3600)}h${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')}m`
}

// What a terminal would obey, or that would show a name as another than it is: controls, changes of direction,
// and what has no width. What only picks the looks of an emoji may stay.
const unprintable = /(?![\ufe00-\ufe0f])[\p{Control}\p{Default_Ignorable_Code_Point}\p{Surrogate}\u2028\u2029]/gu

/** A name, or a message that may hold one, for a terminal: what could control it is escaped. */
export function showName(name: string): string {
  return name.replaceAll(unprintable, (character) => {
    if (character === '\n') return '\\n'
    if (character === '\t') return '\\t'
    const code = character.codePointAt(0) as number
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
  })
}

/** The same for text of several lines. */
export function showLines(text: string): string {
  return text.split('\n').map(showName).join('\n')
}

/** A value as JSON on one line that is safe to see in a terminal too; for a program it is the same value. */
export function showJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(unprintable, (character) => {
    const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
  })
}

/** Text in lines of no more than `width` characters, broken at spaces; a longer word stays whole. */
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
