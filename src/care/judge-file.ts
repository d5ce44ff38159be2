import type { CheckedFile } from '../disk/read/check-files.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import { type FileEntry, sameContent, sameEntry } from '../tree/entry.ts'
import { asWanted, type FileSystemTraits } from '../tree/file-system.ts'

/** What is to be said of a file that was read whole. */
export type Verdict =
  /** It holds what the log says. */
  | { readonly type: 'sound' }
  /** Somebody changed or removed it. */
  | { readonly type: 'diverged' }
  | {
      readonly type: 'damaged'
      readonly message: string
      /** The signature under which nobody can have meant what it holds now: with it there is nothing to keep. */
      readonly worthless: string | undefined
    }
  | { readonly type: 'unclear'; readonly message: string }

/**
 * Tells bit rot from what a user does. A disk that changes a file changes none of its times: with the recorded
 * signature (size, mtime, ctime, inode) and other bytes it is damaged for sure. So it is taken for where only size and
 * mtime are as recorded: a chmod, a link, a copy to another disk change the ctime of rotten files too, and an editor
 * that keeps both size and mtime is rarer than that. What it holds is worth keeping then. Anything else that differs is
 * somebody's change.
 */
export function judgeFile(
  entry: FileEntry,
  record: BaselineRecord | undefined,
  checked: CheckedFile,
  traits: FileSystemTraits
): Verdict {
  if (checked.type === 'absent') return { type: 'diverged' }
  if (checked.type === 'unclear') return checked
  if (checked.type === 'broken') {
    return { type: 'damaged', message: `The disk doesn't give its bytes: ${checked.message}`, worthless: undefined }
  }
  const { signature, ...content } = checked.file
  const have = asWanted({ type: 'file', ...content, extents: [] }, entry, traits)
  if (sameContent(have, entry)) return { type: sameEntry(have, entry) ? 'sound' : 'diverged' }
  if (record?.signature === signature) {
    const message = 'Its bytes changed on the disk, and nothing else of it'
    return { type: 'damaged', message, worthless: signature }
  }
  if (content.size !== entry.size || have.mtimeMs !== entry.mtimeMs) return { type: 'diverged' }
  const message = 'Its bytes are not those of the log, though size and time are'
  return { type: 'damaged', message, worthless: undefined }
}
