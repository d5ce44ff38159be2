import ignore, { type Ignore } from 'ignore'
import type { TreePath } from './path.ts'
import { childPath } from './path.ts'

/** The file in a folder's root that holds its ignore rules, in gitignore's syntax. */
export const ignoreFileName = childPath('', '.p2psyncignore')

/** Files that editors and systems leave behind. A negated rule in the ignore file lifts any of these rules. */
export const defaultIgnoreRules: readonly string[] = [
  '*~',
  '.*.sw?',
  '.#*',
  '#*#',
  '~$*',
  '.~lock.*#',
  '.DS_Store',
  'Thumbs.db',
  'desktop.ini'
].map((rule) => (rule.startsWith('#') ? `\\${rule}` : rule)) // A leading # would begin a comment.

/** Which paths a folder leaves out. */
export interface IgnoreRules {
  /** Whether the rules leave out `path`, itself or through a directory above it. */
  ignores(path: TreePath, type: 'directory' | 'other'): boolean
}

/** The library caches each path for ever: after this many it is created again. */
const askedMax = 10_000

/** The rules of an ignore file's `text`, after the defaults. The ignore file itself is never left out. */
export function parseIgnoreRules(text: string): IgnoreRules {
  const matches = matcherOf([...defaultIgnoreRules, text])
  return { ignores: (path, type) => path !== ignoreFileName && matches(path, type) }
}

/**
 * Matches paths, themselves or through a directory above them.
 *
 * @param rules in gitignore's syntax; each may have several lines
 */
export function matcherOf(rules: readonly string[]): (path: TreePath, type: 'directory' | 'other') => boolean {
  let library = libraryOf(rules)
  let asked = 0
  return (path, type) => {
    if (++asked > askedMax) {
      library = libraryOf(rules)
      asked = 1
    }
    return library.ignores(type === 'directory' ? `${path}/` : path)
  }
}

function libraryOf(rules: readonly string[]): Ignore {
  // Paths are case-sensitive here, unlike the library's default; git's own default on Linux is the same.
  const library = ignore({ ignorecase: false, allowRelativePaths: true })
  for (const text of rules) library.add(text)
  return library
}
