import ignore, { type Ignore } from 'ignore'
import type { TreePath } from './path.ts'
import { childPath } from './path.ts'

/** The file in a folder's root that holds its ignore rules, in gitignore's syntax. */
export const ignoreFileName = childPath('', '.p2psyncignore')

/** What editors and systems leave behind. A negated rule in the ignore file lifts any of them. */
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

/** The library remembers each path that it is asked for, for ever: after so many it begins anew. */
const askedMax = 10_000

/** The rules of an ignore file's `text`, after the defaults. The ignore file itself is never left out. */
export function parseIgnoreRules(text: string): IgnoreRules {
  let rules = libraryRules(text)
  let asked = 0
  return {
    ignores(path, type) {
      if (path === ignoreFileName) return false
      if (++asked > askedMax) {
        rules = libraryRules(text)
        asked = 1
      }
      return rules.ignores(type === 'directory' ? `${path}/` : path)
    }
  }
}

function libraryRules(text: string): Ignore {
  // Paths are case-sensitive here, unlike the library's default; git's own default on Linux is the same.
  return ignore({ ignorecase: false, allowRelativePaths: true })
    .add([...defaultIgnoreRules])
    .add(text)
}
