/**
 * Watches one directory, from now on or from when it tells of a `rename` without a name. Throws, or calls `onError`,
 * where that can't be, or any more.
 */
export type WatchDirectory = (
  at: string,
  onEvent: (event: string, name: string | null) => void,
  onError: (error: unknown) => void
) => { close(): void }
