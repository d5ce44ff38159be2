/**
 * A path inside a folder: relative, `/`-separated, never empty, no `.` or `..`, nothing that a supported file system
 * could read as a way out. Only `parseTreePath` and `childPath` produce one, so that code with a `TreePath` needs no
 * further check.
 */
export type TreePath = string & { readonly __brand: 'TreePath' }

/** The longest name of one file, in bytes of UTF-8: NAME_MAX of every file system that we support. */
export const nameBytesMax = 255

/** The longest path, in bytes of UTF-8: Linux's PATH_MAX without the terminating NUL. */
export const pathBytesMax = 4095

/** The directory in a folder that holds the state of p2psync; its name is reserved at every depth. */
export const stateDirectoryName = '.p2psync'

// With the u flag a pair of surrogates is one code point, so this finds the lone ones only.
const loneSurrogate = /\p{Surrogate}/u
const noWidth = /\p{Default_Ignorable_Code_Point}/gu
const ascii = /^[\x20-\x7e]*$/

/** Why `name` can't be one segment of a path, in words, or `undefined` when it can. */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'an empty name'
  if (name === '.' || name === '..') return `the name "${name}"`
  if (name.length > nameBytesMax || bytesOf(name) > nameBytesMax) return `a name longer than ${nameBytesMax} bytes`
  if (name.includes('/')) return 'a slash in a name'
  if (name.includes('\0')) return 'a NUL in a name'
  if (name.includes('\\')) return 'a backslash in a name, which separates names on Windows'
  if (isStateDirectory(name)) {
    return `the reserved name "${stateDirectoryName}"`
  }
  if (!ascii.test(name) && loneSurrogate.test(name)) return 'a name that is not Unicode'
  return undefined
}

/**
 * Whether some file system would take `name` for the state directory: by folding case, or by ignoring characters
 * without width.
 */
function isStateDirectory(name: string): boolean {
  if (ascii.test(name)) return name.toLowerCase() === stateDirectoryName
  return name.replaceAll(noWidth, '').normalize('NFKC').toUpperCase() === stateDirectoryName.toUpperCase()
}

/** Why `text` can't be a path, in words, or `undefined` when it can. */
export function pathFault(text: string): string | undefined {
  if (text === '') return 'an empty path'
  if (text.startsWith('/')) return 'an absolute path'
  if (text.length > pathBytesMax || bytesOf(text) > pathBytesMax) return `a path longer than ${pathBytesMax} bytes`
  for (const name of text.split('/')) {
    const fault = nameFault(name)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** `text` as a path, or `undefined` where `pathFault` would say why not. */
export function parseTreePath(text: string): TreePath | undefined {
  return pathFault(text) === undefined ? (text as TreePath) : undefined
}

/** The path of `name` in the directory `parent`, `''` being the folder itself. */
export function childPath(parent: TreePath | '', name: string): TreePath {
  return (parent === '' ? name : `${parent}/${name}`) as TreePath
}

/** The directory that holds `path`, `''` being the folder itself. */
export function parentPath(path: TreePath): TreePath | '' {
  const slash = path.lastIndexOf('/')
  return slash === -1 ? '' : (path.slice(0, slash) as TreePath)
}

/** The last name of `path`. */
export function baseName(path: TreePath): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The directories above `path`, the outermost first, without the folder itself. */
export function* ancestorsOf(path: TreePath): Generator<TreePath> {
  for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
    yield path.slice(0, slash) as TreePath
  }
}

/** Whether `path` lies somewhere beneath the directory `above`; `''` is above everything. */
export function isBeneath(path: TreePath, above: TreePath | ''): boolean {
  return above === '' || (path.length > above.length && path[above.length] === '/' && path.startsWith(above))
}

/** Orders paths with each directory before its children. Not the byte order of the log. */
export function comparePaths(a: TreePath, b: TreePath): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Sorted by the bytes of their UTF-8, as the log is. Strings are ordered by UTF-16, which differs beyond its first plane alone. */
export function sortedAsLog(paths: Iterable<TreePath>): TreePath[] {
  const sorted = [...paths].sort()
  if (!sorted.some((path) => /[\ud800-\udfff]/.test(path))) return sorted
  return sorted.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

function bytesOf(text: string): number {
  return Buffer.byteLength(text)
}
