import type { SyncEvent } from '../../index.ts'
import { type Output, writeKey } from './output.ts'
import { showBytes, showLines, showMany, showName, showTransport } from './text.ts'

/** Shows events as lines on stderr, for logs and pipes. */
export function plainOutput(verbose: boolean): Output {
  return {
    show: (event) => {
      if (event.type === 'ready') writeKey(event)
      for (const line of linesOf(event, verbose)) process.stderr.write(`${line}\n`)
    },
    end: () => {}
  }
}

/** An event as lines for people; none for an event of interest to programs only. */
export function linesOf(event: SyncEvent, verbose: boolean): readonly string[] {
  switch (event.type) {
    case 'ready':
      return event.role === 'writer'
        ? [`Sharing ${showName(event.folder)}`, `To follow it elsewhere: p2psync clone ${event.key} <dir>`]
        : [`Mirroring ${event.key} in ${showName(event.folder)}`]
    case 'published':
      return [
        `Published version ${event.version}: ${showMany(event.files, 'file')}, ${showBytes(event.bytes)} ` +
          `(${changed(event)}, ${showBytes(event.stored)} stored)${event.partial ? '; more to come' : ''}`
      ]
    case 'applied':
      return [
        `Applied version ${event.version}: ${showMany(event.files, 'file')}, ${showBytes(event.bytes)}` +
          (event.problems > 0 ? `; ${showMany(event.problems, 'problem')}` : '')
      ]
    case 'in-sync':
      return [`In sync with version ${event.version}`]
    case 'peer':
      return verbose || event.state === 'connected' ? peerLines(event) : []
    case 'diverged':
      return [`Differs from the source: ${showName(event.path)} was ${event.kind} here, and stays so`]
    case 'conflict':
      return [`Conflict: ${showName(event.path)} was changed here too; kept as ${showName(event.keptAs)}`]
    case 'problem':
      return [`Problem: ${showName(event.path)}: ${showName(event.message)}`]
    case 'paused':
      return [event.paused ? 'Paused. Continue with p2psync resume' : 'Resumed']
    case 'notice':
      return [showName(event.message)]
    case 'error':
      // An unexpected error has a stack, of several lines.
      return [`p2psync: ${(event.code === 'UNEXPECTED' ? showLines : showName)(event.message)} [${event.code}]`]
    case 'up-to-date':
      return verbose ? [`Up to date with version ${event.version}`] : []
    case 'progress':
      return []
  }
}

function peerLines(event: Extract<SyncEvent, { type: 'peer' }>): readonly string[] {
  const { state, address, peers, rttMs } = event
  if (state === 'traffic') return []
  const how = `${showTransport(event)}, ${rttMs < 10 ? rttMs : Math.round(rttMs)} ms`
  return [`Peer ${state}: ${address} (${state === 'disconnected' ? '' : `${how}; `}${showMany(peers, 'peer')})`]
}

function changed({ puts, removals }: { readonly puts: number; readonly removals: number }): string {
  const parts = []
  if (puts > 0) parts.push(showMany(puts, 'change'))
  if (removals > 0) parts.push(showMany(removals, 'removal'))
  return parts.length > 0 ? parts.join(', ') : 'empty'
}
