import type { TreePath } from './path.ts'

/**
 * Why a link at `path` may lead out of the folder, in words, or `undefined` when it can't. Judged by its
 * target alone, not by what is on disk: after a name, `..` leads nobody knows where, since the name may be
 * a link itself.
 *
 * @param windows also refuses what leads out on Windows only
 */
export function linkFault(path: TreePath, target: string, windows = process.platform === 'win32'): string | undefined {
  const separator = windows ? /[/\\]/ : /\//
  if (separator.test(target[0] ?? '')) return 'its target is absolute'
  // With a colon it may be a drive, a device or a stream of a file.
  if (windows && target.includes(':')) return 'its target has a colon'
  let depth = path.split('/').length - 1
  let named = false
  for (const part of target.split(separator)) {
    if (part === '' || part === '.') continue
    if (part !== '..') named = true
    else if (named) return 'its target goes up after a name'
    else if (--depth < 0) return 'its target leads out of the folder'
  }
  return undefined
}
