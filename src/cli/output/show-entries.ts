import type { ChangeRecord, EntryFields } from '../../query/records.ts'
import { showBytes, showName } from './text.ts'

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** `2026-11-20 12:00:05`, by the local clock. */
export function showTime(timeMs: number): string {
  const date = new Date(timeMs)
  if (Number.isNaN(date.getTime())) return '?'
  const two = (number: number) => String(number).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** `drwxr-xr-x` */
export function showMode({ kind, mode }: EntryFields): string {
  const type = { directory: 'd', symlink: 'l', file: '-' }[kind]
  const bits = Number.parseInt(mode ?? '777', 8)
  const letters = [...'rwxrwxrwx'].map((letter, i) => ((bits >> (8 - i)) & 1 ? letter : '-'))
  return type + letters.join('')
}

/** An entry's name as `ls` has it: a directory ends with a slash, a link tells where it leads. */
export function showEntry(entry: EntryFields, name: string): string {
  if (entry.kind === 'directory') return `${name}/`
  return entry.kind === 'symlink' ? `${name} -> ${entry.target ?? ''}` : name
}

/** A line of a long listing, but for its name. */
export function showDetails(entry: EntryFields): string {
  const size = entry.kind === 'file' ? showBytes(entry.size ?? 0) : '-'
  return `${showMode(entry)} ${size.padStart(8)} ${showTime(entry.mtimeMs)}`
}

export const marks = { added: '+', changed: '~', removed: '-', moved: '>' } as const

/** Whether a change is of interest to people: a directory's time changes with whatever happens in it. */
export function isNews(change: ChangeRecord): boolean {
  return !(change.type === 'changed' && change.metadata && change.kind === 'directory')
}

/** `+ docs/new.txt  1.2 kB` */
export function showChange(change: ChangeRecord): string {
  const mark = marks[change.type]
  const name = showName(change.kind === 'directory' ? `${change.path}/` : change.path)
  if (change.type === 'moved') return `${mark} ${showName(change.from)} → ${name}`
  if (change.type === 'removed') return `${mark} ${name}`
  if (change.type === 'changed' && change.metadata) return `${mark} ${name}  mode or time`
  if (change.kind === 'symlink') return `${mark} ${name} -> ${showName(change.target ?? '')}`
  return change.kind === 'file' ? `${mark} ${name}  ${showBytes(change.size ?? 0)}` : `${mark} ${name}`
}

/** `Nov 20 12:00` */
export function showShortTime(timeMs: number): string {
  const date = new Date(timeMs)
  const two = (number: number) => String(number).padStart(2, '0')
  return `${months[date.getMonth()]} ${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`
}
