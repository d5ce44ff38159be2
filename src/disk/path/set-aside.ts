import { existsSync, renameSync, rmSync } from 'node:fs'

/**
 * Renames a damaged file or directory of p2psync's to `<path>.damaged-<n>`.
 *
 * @returns the new path; `undefined` if nothing is at `path`
 */
export function setAside(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  for (let count = 1; ; count++) {
    const keptAs = `${path}.damaged-${count}`
    if (existsSync(keptAs)) continue
    renameSync(path, keptAs)
    return keptAs
  }
}

/** Undoes `setAside`: removes what is at `path` now and renames `keptAs` back. */
export function takeBack(keptAs: string | undefined, path: string): void {
  if (keptAs === undefined) return
  rmSync(path, { recursive: true, force: true })
  renameSync(keptAs, path)
}
