import { lstatSync, readlinkSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { systemCode } from '../../errors.ts'
import { childPath, type TreePath } from '../../tree/path.ts'
import { hashFile } from '../read/read.ts'
import { conflictName } from './conflict-name.ts'
import { nameOfAside } from './stage.ts'

/** What the name of a conflict copy is made from. */
export interface ConflictNaming {
  readonly host: string
  readonly now: () => Date
}

/**
 * Gives something of the user's the name of a conflict copy of `name` in the directory `parent`.
 *
 * @param at where it is, on the same file system
 * @returns the new name
 * @throws the system's error; then it is still where it was
 */
export function preserveAs(at: string, parent: string, name: string, { host, now }: ConflictNaming): string {
  for (let attempt = 1; ; attempt++) {
    const kept = conflictName(name, now(), host, attempt)
    // Nobody else makes up such a name: this look is only for those that we have made before.
    if (lstatSync(join(parent, kept), { throwIfNoEntry: false }) !== undefined) continue
    renameSync(at, join(parent, kept))
    return kept
  }
}

/** What of a file or link tells whether a log knows it. */
export type Bytes =
  | { readonly type: 'file'; readonly hash: string; readonly size: number }
  | { readonly type: 'symlink'; readonly target: string }

type IsKnown = (bytes: Bytes, at: string) => boolean | Promise<boolean>

/**
 * Looks through what was taken out of a folder when a run was cut off. What is known from the log is
 * dropped; what isn't was changed by the user in that very moment, and gets a name in the folder.
 *
 * @param aside the paths that `Staging.open` has left
 * @param isKnown whether these are bytes of the log; it may take what lies at `at` away to keep it
 * @returns the names under which something was kept, and what they were
 * @throws the system's error
 */
export async function rescue(
  root: string,
  aside: readonly string[],
  isKnown: IsKnown,
  options: ConflictNaming
): Promise<readonly (readonly [was: TreePath, keptAs: TreePath])[]> {
  const kept: (readonly [TreePath, TreePath])[] = []
  for (const path of aside) {
    if (await isDispensable(path, isKnown)) rmSync(path, { recursive: true, force: true })
    else {
      const name = nameOfAside(path)
      kept.push([childPath('', name), childPath('', preserveAs(path, root, name, options))])
    }
  }
  return kept
}

async function isDispensable(path: string, isKnown: IsKnown): Promise<boolean> {
  const stats = lstatSync(path)
  if (stats.isSymbolicLink()) return isKnown({ type: 'symlink', target: readlinkSync(path) }, path)
  if (stats.isFile()) {
    const { hash, size } = await hashFile(dirname(path), childPath('', basename(path)))
    return isKnown({ type: 'file', hash, size }, path)
  }
  try {
    rmdirSync(path)
    return true
  } catch (error) {
    if (systemCode(error) !== 'ENOTEMPTY' && systemCode(error) !== 'EEXIST') throw error
    return false
  }
}
