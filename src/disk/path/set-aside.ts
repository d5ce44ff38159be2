import { existsSync, renameSync, rmSync } from 'node:fs'

/** Gives a file or directory of ours another name beside it. @returns its new path; `undefined` where there is none */
export function setAside(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  for (let count = 1; ; count++) {
    const keptAs = `${path}.damaged-${count}`
    if (existsSync(keptAs)) continue
    renameSync(path, keptAs)
    return keptAs
  }
}

/** Gives what was set aside its name again; what has it now goes. */
export function takeBack(keptAs: string | undefined, path: string): void {
  if (keptAs === undefined) return
  rmSync(path, { recursive: true, force: true })
  renameSync(keptAs, path)
}
