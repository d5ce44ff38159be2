import type { ChangeRecord, EntryFields } from '../../query/records.ts'
import { showBytes, showName, twoDigits } from './text.ts'

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** `2026-11-20 12:00:05`, in local time. */
export function showTime(timeMs: number): string {
  const date = new Date(timeMs)
  if (Number.isNaN(date.getTime())) return '?'
  const day = `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`
  return `${day} ${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}:${twoDigits(date.getSeconds())}`
}

/** `drwxr-xr-x` */
export function showMode({ kind, mode }: EntryFields): string {
  const type = { directory: 'd', symlink: 'l', file: '-' }[kind]
  const bits = Number.parseInt(mode ?? '777', 8)
  const letters = [...'rwxrwxrwx'].map((letter, i) => ((bits >> (8 - i)) & 1 ? letter : '-'))
  return type + letters.join('')
}

/** The name of an entry as in `ls -F`: a directory ends with a slash, a link shows its target. */
export function showEntry(entry: EntryFields, name: string): string {
  if (entry.kind === 'directory') return `${name}/`
  return entry.kind === 'symlink' ? `${name} -> ${entry.target ?? ''}` : name
}

/** The columns before the name in a long listing. */
export function showDetails(entry: EntryFields): string {
  const size = entry.kind === 'file' ? showBytes(entry.size ?? 0) : '-'
  return `${showMode(entry)} ${size.padStart(8)} ${showTime(entry.mtimeMs)}`
}

export const marks = { added: '+', changed: '~', removed: '-', moved: '>' } as const

/** Explains the marks, in helps. */
export const marksHelp = `A line begins with ${marks.added} for an added path, ${marks.changed} changed, ${marks.moved} moved, ${marks.removed} removed.`

/** Whether a change interests people: the time of a directory changes with every entry in it. */
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
  return `${months[date.getMonth()]} ${twoDigits(date.getDate())} ${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`
}
