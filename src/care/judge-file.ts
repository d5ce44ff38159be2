import type { CheckedFile } from '../disk/read/check-files.ts'
import type { BaselineRecord } from '../tree/diff.ts'
import { type FileEntry, sameContent, sameEntry } from '../tree/entry.ts'
import { asWanted, type FileSystemTraits } from '../tree/file-system.ts'

/** The result of comparing a file with the log. */
export type Verdict =
  /** The file is as the log says. */
  | { readonly type: 'sound' }
  /** A user changed or removed the file. */
  | { readonly type: 'diverged' }
  | {
      readonly type: 'damaged'
      readonly message: string
      /** The signature under which the present bytes can't be a user's change: a repair may discard them. */
      readonly worthless: string | undefined
    }
  | { readonly type: 'unclear'; readonly message: string }

/**
 * Tells bit rot from a user's change. A disk that corrupts a file changes none of its times: other bytes under the recorded
 * signature (size, mtime, ctime, inode) are damage for sure. Other bytes with the recorded size and mtime alone count as
 * damage too, since a chmod, a link or a copy to another disk changes the ctime of a rotten file, and an editor that keeps
 * both size and mtime is rarer; but then a repair keeps the bytes. Any other difference is a user's change.
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
