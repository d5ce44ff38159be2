import type { PeerStatus, SyncEvent, Traffic } from '../../index.ts'

/** What a command shows of a folder while it works: stdout is for data, stderr for people. */
export interface Output {
  show(event: SyncEvent): void
  /** Clears what is drawn. */
  end(): void
}

/** What an output may ask at any time. */
export interface ActivitySource {
  readonly connections: readonly PeerStatus[]
  readonly traffic: Traffic
}

/** The one line on stdout. A mirror's key is known to whoever started it. */
export function writeKey(event: Extract<SyncEvent, { type: 'ready' }>): void {
  if (event.role === 'writer') process.stdout.write(`${event.key}\n`)
}
