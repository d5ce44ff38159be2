import type { StatusRecord } from '../../handle/status.ts'
import { showTime } from './show-entries.ts'
import { peerLine } from './show-peer.ts'
import { showBytes, showCount, showMany, showName, wrap } from './text.ts'

/** Of a list, the others are counted. */
const linesMax = 8
/** Columns of the names of facts. */
const nameColumns = 11

/** How a folder stands, as lines of no more than `columns`. */
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
  return [
    ...lines,
    ...listed(
      'Peers',
      status.peers.map((peer) => peerLine(peer, columns - 2)),
      columns
    ),
    ...listed(
      'Differ here',
      status.diverged.map(({ path, kind }) => `${showName(path)} (${kind})`),
      columns
    ),
    ...listed(
      'Conflicts',
      status.conflicts.map(({ path, keptAs }) => `${showName(path)}, kept as ${showName(keptAs)}`),
      columns
    ),
    ...listed(
      'Problems',
      status.problems.map(({ path, message }) => `${showName(path)}: ${showName(message)}`),
      columns
    )
  ]
}

function factLines(name: string, text: string, columns: number): readonly string[] {
  const lines = wrap(text, Math.max(20, columns - nameColumns - 1))
  return lines.map((line, i) => cut(`${(i === 0 ? name : '').padEnd(nameColumns)} ${line}`, columns))
}

const states: Readonly<Record<StatusRecord['state'], string>> = {
  starting: 'starting',
  looking: 'looking',
  working: 'at work',
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

/** A list under its name; nothing where it is empty. */
function listed(name: string, items: readonly string[], columns: number): readonly string[] {
  if (items.length === 0) return []
  const shown = items.slice(0, linesMax).map((item) => `  ${cut(item, columns - 2)}`)
  const more = items.length > linesMax ? [`  … and ${showCount(items.length - linesMax)} more`] : []
  return [`${name} (${showCount(items.length)})`, ...shown, ...more]
}

/** Text in no more than so many columns. */
export function cut(text: string, columns: number): string {
  return [...text].length <= columns ? text : `${[...text].slice(0, Math.max(0, columns - 1)).join('')}…`
}
