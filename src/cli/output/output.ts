import type { PeerStatus, SyncEvent, Traffic } from '../../index.ts'

/** Shows the events of a running folder: data on stdout, lines for people on stderr. */
export interface Output {
  show(event: SyncEvent): void
  /** Clears a status line or a progress bar. */
  end(): void
}

/** The live state of a folder that an output may read at any time. */
export interface ActivitySource {
  readonly connections: readonly PeerStatus[]
  readonly traffic: Traffic
}

/** Writes the key of a shared folder, the one line on stdout. Whoever runs a mirror knows its key. */
export function writeKey(event: Extract<SyncEvent, { type: 'ready' }>): void {
  if (event.role === 'writer') process.stdout.write(`${event.key}\n`)
}
