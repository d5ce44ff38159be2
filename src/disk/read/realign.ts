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

/** In the name of what is being renamed to another spelling of its name, for a moment. */
const renamingMark = '~renaming'

/**
 * On a file system that takes some names for one: makes what stands under another spelling of a wanted
 * name stand under that name, parents first. What the file system tells apart after all is left alone.
 *
 * @param names the wanted ones, and those under which something is recorded that isn't wanted: by such a
 *   one it is known, but not given it
 * @param onProblem told of what can't be renamed; it is known by the wanted name all the same
 * @returns what was seen, under the names that it has now
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
  // What couldn't be looked at is known by the names that it has.
  const isUnclear = (path: TreePath) => [...unreadable].some((each) => each === path || isBeneath(each, path))
  try {
    for (const [path, what] of seen) {
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
      const anew = stats && seeAt(beneath.locate(now), stats)
      aligned.set(now, typeof anew === 'object' ? anew : what)
    }
  } finally {
    beneath.release()
  }
  return aligned
}

/**
 * Gives something another spelling of its name. It goes by a third name, since some systems ignore a
 * rename between two spellings, and since only then it shows whether `to` is the same thing indeed: if it
 * is another, it must not be overwritten.
 */
function respell(beneath: Beneath, from: TreePath, to: TreePath): boolean {
  const directory = beneath.directory(parentPath(to))
  const between = `${directory}/${markedName(baseName(to), renamingMark)}`
  const wanted = `${directory}/${baseName(to)}`
  const given = `${directory}/${baseName(from)}`
  if (existsSync(between)) return false
  renameSync(given, between)
  const isOther = stands(wanted) && lstatSync(wanted, { throwIfNoEntry: false })?.ino !== lstatSync(between).ino
  renameSync(between, isOther ? given : wanted)
  return !isOther
}

/**
 * Whether something is at a name by now. The kernel keeps for a while what a file system in user space has
 * said of a name; only when it is to be read, that is asked again.
 */
function stands(at: string): boolean {
  try {
    if (lstatSync(at).isDirectory()) {
      const directory = opendirSync(at)
      try {
        directory.readSync()
      } finally {
        directory.closeSync()
      }
      lstatSync(at) // What has gone may be listed as if it were empty.
    } else closeSync(openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK))
    return true
  } catch (error) {
    return !isAbsence(error)
  }
}

/**
 * Brings to its end what was cut off between the two renames of `realign`.
 *
 * @returns whether there was something
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
