import ignore from 'ignore'
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

/** The rules of an ignore file's `text`, after the defaults. The ignore file itself is never left out. */
export function parseIgnoreRules(text: string): IgnoreRules {
  // Paths are case-sensitive here, unlike the library's default; git's own default on Linux is the same.
  const rules = ignore({ ignorecase: false, allowRelativePaths: true })
    .add([...defaultIgnoreRules])
    .add(text)
  return {
    ignores(path, type) {
      if (path === ignoreFileName) return false
      return rules.ignores(type === 'directory' ? `${path}/` : path)
    }
  }
}
