/**
 * Watches one directory: from the call on, or from when it reports a `rename` without a name. Throws, or calls `onError`,
 * if it can't start or continue watching.
 */
export type WatchDirectory = (
  at: string,
  onEvent: (event: string, name: string | null) => void,
  onError: (error: unknown) => void
) => { close(): void }
