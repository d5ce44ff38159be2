import { lstatSync, readlinkSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { systemCode } from '../../errors.ts'
import { childPath, type TreePath } from '../../tree/path.ts'
import { hashFile } from '../read/read.ts'
import { conflictName } from './conflict-name.ts'
import { nameOfAside } from './stage.ts'

/** The parts of a conflict name besides the file's own name. */
export interface ConflictNaming {
  readonly host: string
  readonly now: () => Date
}

/**
 * Renames content of the user's to a conflict name of `name` in the directory `parent`.
 *
 * @param at its present path, on the same file system
 * @returns the new name
 * @throws the system's error; then it is still at `at`
 */
export function preserveAs(at: string, parent: string, name: string, { host, now }: ConflictNaming): string {
  for (let attempt = 1; ; attempt++) {
    const kept = conflictName(name, now(), host, attempt)
    // Only p2psync makes such names: the check is for its earlier conflict copies.
    if (lstatSync(join(parent, kept), { throwIfNoEntry: false }) !== undefined) continue
    renameSync(at, join(parent, kept))
    return kept
  }
}

/** Identifies the content of a file or symlink, to look it up in a log. */
export type Bytes =
  | { readonly type: 'file'; readonly hash: string; readonly size: number }
  | { readonly type: 'symlink'; readonly target: string }

type IsKnown = (bytes: Bytes, at: string) => boolean | Promise<boolean>

/**
 * Goes through the files that an interrupted run had taken out of the folder. Deletes those whose content is in the log.
 * The user changed the others at that very moment: they get a conflict name in the folder.
 *
 * @param aside the paths that `Staging.open` returned
 * @param isKnown whether the log has this content; it may move the file at `at` away to keep it
 * @returns the former name and the conflict name of each file that was kept
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
