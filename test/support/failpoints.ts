import type { Step } from '../../src/tree/plan.ts'
import { directoryOf, fileOf, pathOf, symlinkOf } from './entries.ts'

type FileOptions = NonNullable<Parameters<typeof fileOf>[1]>

/** Shorthand for the steps of a plan. */
export const step = {
  directory: (path: string, options: { readonly mode?: number; readonly mtimeMs?: number } = {}): Step => ({
    op: 'make-directory',
    path: pathOf(path),
    entry: directoryOf(options)
  }),
  file: (path: string, content: string, options: FileOptions = {}): Step => ({
    op: 'write',
    path: pathOf(path),
    entry: fileOf(content, options)
  }),
  copy: (path: string, content: string, copyOf: string): Step => ({
    op: 'write',
    path: pathOf(path),
    entry: fileOf(content),
    copyOf: pathOf(copyOf)
  }),
  symlink: (path: string, target: string): Step => ({ op: 'write', path: pathOf(path), entry: symlinkOf(target) }),
  move: (from: string, path: string, content: string, options: FileOptions = {}): Step => ({
    op: 'move',
    path: pathOf(path),
    from: pathOf(from),
    entry: fileOf(content, options)
  }),
  metadata: (path: string, content: string, options: FileOptions = {}): Step => ({
    op: 'set-metadata',
    path: pathOf(path),
    entry: fileOf(content, options)
  }),
  remove: (path: string, content: string): Step => ({ op: 'remove', path: pathOf(path), entry: fileOf(content) }),
  removeSymlink: (path: string, target: string): Step => ({
    op: 'remove',
    path: pathOf(path),
    entry: symlinkOf(target)
  }),
  removeDirectory: (path: string): Step => ({ op: 'remove', path: pathOf(path), entry: directoryOf() })
} as const
