import { type Entry, modeOf } from './entry.ts'

/** How a file system treats names, modes and times. */
export interface FileSystemTraits {
  /** `A` and `a` are one name. */
  readonly foldsCase: boolean
  /** Which spellings of a name are one: none, those that look the same (NFC and NFD), or also `ﬁ` and `fi`. */
  readonly foldsUnicode: 'none' | 'canonical' | 'compatible'
  /** A name is listed in the case that it was given. */
  readonly keepsCase: boolean
  /** A name is listed in the normal form that it was given. */
  readonly keepsForm: boolean
  /** Permission bits are kept. */
  readonly keepsModes: boolean
  /** Times are kept to within less than this, in milliseconds; 1 if exactly. */
  readonly timeStepMs: number
  /** The range of times that can be kept. */
  readonly timesMs: readonly [first: number, last: number]
}

/** A file system that keeps everything as given. */
export const exactFileSystem: FileSystemTraits = {
  foldsCase: false,
  foldsUnicode: 'none',
  keepsCase: true,
  keepsForm: true,
  keepsModes: true,
  timeStepMs: 1,
  timesMs: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
}

/** Whether two different names may be one and the same on a file system. */
export function foldsNames({ foldsCase, foldsUnicode }: FileSystemTraits): boolean {
  return foldsCase || foldsUnicode !== 'none'
}

/** Whether changes that follow each other closely may not show in the times of a file. */
export function hasCoarseTimes({ timeStepMs }: FileSystemTraits): boolean {
  return timeStepMs >= 1000
}

const noWidth = /\p{Default_Ignorable_Code_Point}/gu
const trailing = /[. ]+$/

/**
 * A key that is equal for all names that the file system may take for one. File systems fold by tables
 * of their own, so it is made to be equal rather too often: two that can be told apart after all then
 * only get distinct names for nothing, whereas two that can't would overwrite each other.
 *
 * - Lower case first, then upper: `ς`, `σ` and `Σ`, the Kelvin sign and `k`, `ß` and `ẞ` become one each.
 * - Systems that fold case are Windows' own or its kin, where dots and spaces at the end of a name don't count.
 * - Systems that normalise may ignore what has no width, as HFS+ does.
 */
export function foldName(
  name: string,
  { foldsCase, foldsUnicode }: Pick<FileSystemTraits, 'foldsCase' | 'foldsUnicode'>
): string {
  let key = name
  const form = foldsUnicode === 'compatible' ? 'NFKD' : 'NFD'
  if (foldsUnicode !== 'none') key = key.replaceAll(noWidth, '').normalize(form)
  if (foldsCase) key = key.replace(trailing, '').toLowerCase().toUpperCase()
  // A change of case may leave another form.
  return foldsUnicode === 'none' ? key : key.normalize(form)
}

/** Whether `listed` on disk is `wanted` as well as the file system can keep it. */
export function keepsName(listed: string, wanted: string, traits: FileSystemTraits): boolean {
  const kept = (name: string) => {
    const bare = traits.foldsCase ? name.replace(trailing, '') : name
    const formed = traits.keepsForm ? bare : bare.normalize('NFKC')
    return traits.keepsCase ? formed : formed.toLowerCase().toUpperCase()
  }
  return kept(listed) === kept(wanted)
}

/**
 * The entry on disk with mode and time of the wanted one, where the file system can't tell them apart: the wanted mode
 * if it keeps none, and the wanted time if it is as near as the file system gets.
 */
export function asWanted(have: Entry, want: Entry | undefined, traits: FileSystemTraits): Entry {
  if (want === undefined || want.type !== have.type) return have
  const [first, last] = traits.timesMs
  const near = Math.abs(have.mtimeMs - want.mtimeMs) < traits.timeStepMs
  const mtimeMs = near || want.mtimeMs < first || want.mtimeMs > last ? want.mtimeMs : have.mtimeMs
  if (have.type === 'symlink') return mtimeMs === have.mtimeMs ? have : { ...have, mtimeMs }
  const mode = traits.keepsModes ? have.mode : modeOf(want)
  return mtimeMs === have.mtimeMs && mode === have.mode ? have : { ...have, mtimeMs, mode }
}
