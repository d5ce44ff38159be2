import { closeSync, constants, existsSync, lstatSync, opendirSync, openSync, renameSync } from 'node:fs'
import { messageOf, systemCode } from '../../errors.ts'
import type { Scan, Seen } from '../../tree/diff.ts'
import { type FileSystemTraits, keepsName } from '../../tree/file-system.ts'
import { type Names, Realigned } from '../../tree/local-names.ts'
import { markedName } from '../../tree/marked-name.ts'
import { baseName, childPath, isBeneath, parentPath, type TreePath } from '../../tree/path.ts'
import type { Problem } from '../../tree/tree.ts'
import { Beneath, isAbsence } from '../path/beneath.ts'
import { seeAt } from './seen.ts'

/** Marks the intermediate name of a file during its respelling. */
const renamingMark = '~renaming'

/**
 * On a file system that treats some names as equal: renames files from other spellings of a wanted name to that name,
 * parents first. Leaves names alone that the file system distinguishes after all.
 *
 * @param names `wanted`: the names to rename to; `recorded`: names of the baseline that aren't wanted. A file known by a
 *   recorded name is listed under it, but not renamed
 * @param onProblem called for a file that can't be renamed; it is listed under the wanted name all the same
 * @returns the local states, under their present names
 */
export function realign(
  root: string,
  { seen, unreadable }: Pick<Scan, 'seen' | 'unreadable'>,
  { wanted, recorded }: Readonly<Record<'wanted' | 'recorded', Names>>,
  traits: FileSystemTraits,
  onProblem: (problem: Problem) => void
): Map<TreePath, Seen> {
  const beneath = new Beneath(root)
  const aligned = new Map<TreePath, Seen>()
  const realigned = new Realigned({ get: (parent, name) => wanted.get(parent, name) ?? recorded.get(parent, name) })
  // Unreadable paths keep their names.
  const isUnclear = (path: TreePath) => [...unreadable].some((each) => each === path || isBeneath(each, path))
  try {
    for (const [path, state] of seen) {
      const now = realigned.of(path, (from, to) => {
        const isListed = seen.has(childPath(parentPath(path), baseName(to)))
        if (isListed || aligned.has(to) || isUnclear(path) || beneath.stat(to) === undefined) return false
        if (wanted.get(parentPath(to), baseName(to)) !== baseName(to)) return true
        if (keepsName(baseName(from), baseName(to), traits)) return true
        try {
          return respell(beneath, from, to)
        } catch (error) {
          if (systemCode(error) === undefined) throw error
          onProblem({ path: to, action: 'write', message: `Can't be renamed from ${from}: ${messageOf(error)}` })
          return true
        }
      })
      // Under another name it may have another inode number, or another time of its last change.
      const stats = now === path ? undefined : beneath.stat(now)
      const fresh = stats && seeAt(beneath.locate(now), stats)
      aligned.set(now, typeof fresh === 'object' ? fresh : state)
    }
  } finally {
    beneath.release()
  }
  return aligned
}

/**
 * Renames a file to another spelling of its name, via a third name: some systems ignore a rename between two spellings,
 * and only then it shows whether `to` is another file, which must not be overwritten.
 *
 * @returns `false` if nothing was renamed
 */
function respell(beneath: Beneath, from: TreePath, to: TreePath): boolean {
  const directory = beneath.directory(parentPath(to))
  const between = `${directory}/${markedName(baseName(to), renamingMark)}`
  const wanted = `${directory}/${baseName(to)}`
  const given = `${directory}/${baseName(from)}`
  if (existsSync(between)) return false
  renameSync(given, between)
  const isOther = exists(wanted) && lstatSync(wanted, { throwIfNoEntry: false })?.ino !== lstatSync(between).ino
  renameSync(between, isOther ? given : wanted)
  return !isOther
}

/**
 * Whether a name is in use now. The kernel caches a name of a file system in user space for a while, and asks again
 * only when the file is opened or the directory is read.
 */
function exists(at: string): boolean {
  try {
    if (lstatSync(at).isDirectory()) {
      const directory = opendirSync(at)
      try {
        directory.readSync()
      } finally {
        directory.closeSync()
      }
      lstatSync(at) // A removed directory may list as if it were empty.
    } else closeSync(openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK))
    return true
  } catch (error) {
    return !isAbsence(error)
  }
}

/**
 * Completes renames of `realign` that were interrupted between their two steps.
 *
 * @returns whether it renamed anything
 */
export function finishRealigning(root: string, seen: ReadonlyMap<TreePath, Seen>, wanted: Names): boolean {
  const beneath = new Beneath(root)
  let found = false
  try {
    for (const path of seen.keys()) {
      if (!baseName(path).includes(renamingMark)) continue
      const parent = parentPath(path)
      const name = baseName(path).replace(renamingMark, '')
      const isWanted = wanted.get(parent, baseName(path)) !== undefined
      if (isWanted || wanted.get(parent, name) !== name || beneath.stat(childPath(parent, name)) !== undefined) continue
      const directory = beneath.directory(parent)
      renameSync(`${directory}/${baseName(path)}`, `${directory}/${name}`)
      found = true
    }
  } finally {
    beneath.release()
  }
  return found
}
