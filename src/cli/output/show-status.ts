import type { StatusRecord } from '../../handle/status.ts'
import { showTime } from './show-entries.ts'
import { peerLine } from './show-peer.ts'
import { cut, showBytes, showCount, showMany, showName, wrap } from './text.ts'

/** How many items of a list to show; the rest is a number. */
const itemsMax = 8
/** The width of the names of facts. */
const nameColumns = 11
/** A narrower terminal cuts lines rather than break them. */
const textColumnsMin = 20

/** The status of a folder, as lines of at most `columns`. */
export function statusLines(status: StatusRecord, columns: number): readonly string[] {
  const facts: (readonly [name: string, text: string])[] = [
    ['Folder', `${showName(status.folder)} (${status.role === 'writer' ? 'shared from here' : 'a mirror'})`],
    ['Key', status.key ?? 'none yet'],
    ['State', stateOf(status)]
  ]
  if (status.reason !== undefined) facts.push(['Why', showName(status.reason)])
  facts.push(['Version', versionOf(status)])
  if (status.missing.files > 0 || status.missing.bytes > 0) {
    facts.push(['Missing', `${showMany(status.missing.files, 'file')}, ${showBytes(status.missing.bytes)}`])
  }
  const { log, state, free } = status.disk
  facts.push([
    'Disk',
    `files ${showBytes(status.bytes)} · log ${showBytes(log)} · state ${showBytes(state)} · free ${showBytes(free)}`
  ])
  const { kept } = status
  if (kept !== undefined) facts.push(['Kept', `${showMany(kept.files, 'replaced file')}, ${showBytes(kept.bytes)}`])
  if (status.durableMs !== undefined) facts.push(['Durable', `since ${showTime(status.durableMs)}`])
  const lines = facts.flatMap(([name, text]) => factLines(name, text, columns))
  const peers = status.peers.map((peer) => peerLine(peer, columns - 2))
  const diverged = status.diverged.map(({ path, kind }) => `${showName(path)} (${kind})`)
  const conflicts = status.conflicts.map(({ path, keptAs }) => `${showName(path)}, kept as ${showName(keptAs)}`)
  const problems = status.problems.map(({ path, message }) => `${showName(path)}: ${showName(message)}`)
  return [
    ...lines,
    ...listLines('Peers', peers, columns),
    ...listLines('Differ here', diverged, columns),
    ...listLines('Conflicts', conflicts, columns),
    ...listLines('Problems', problems, columns)
  ]
}

function factLines(name: string, text: string, columns: number): readonly string[] {
  const lines = wrap(text, Math.max(textColumnsMin, columns - nameColumns - 1))
  return lines.map((line, i) => cut(`${(i === 0 ? name : '').padEnd(nameColumns)} ${line}`, columns))
}

const states: Readonly<Record<StatusRecord['state'], string>> = {
  starting: 'starting',
  looking: 'looking',
  working: 'working',
  done: 'in sync',
  waiting: 'waiting',
  paused: 'paused',
  stopped: 'stopped'
}

function stateOf({ state, role, percent, peers }: StatusRecord): string {
  const name = state === 'done' && role === 'writer' ? 'published' : states[state]
  const share = state === 'working' ? `, ${percent} %` : ''
  return `${name}${share}${state === 'stopped' ? '' : ` · ${showMany(peers.length, 'peer')}`}`
}

function versionOf({ version, newest, files, bytes }: StatusRecord): string {
  if (version === undefined) return newest === undefined ? 'none yet' : `none yet; the newest known is ${newest}`
  const more = newest !== undefined && newest > version ? `; the newest known is ${newest}` : ''
  return `${version} · ${showMany(files, 'file')}, ${showBytes(bytes)}${more}`
}

/** A list under its name; no lines when it is empty. */
function listLines(name: string, items: readonly string[], columns: number): readonly string[] {
  if (items.length === 0) return []
  const shown = items.slice(0, itemsMax).map((item) => `  ${cut(item, columns - 2)}`)
  const more = items.length > itemsMax ? [`  … and ${showCount(items.length - itemsMax)} more`] : []
  return [`${name} (${showCount(items.length)})`, ...shown, ...more]
}
