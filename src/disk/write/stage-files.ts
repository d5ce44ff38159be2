import { hash } from 'node:crypto'
import { closeSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isDiskFull } from '../../errors.ts'
import { reached } from '../../failpoints.ts'
import type { FileEntry } from '../../tree/entry.ts'
import { setOwnMetadata } from '../path/metadata.ts'
import { type PackedError, packError, type Reply } from '../threads/worker-port.ts'
import { createStaged, WrongContent, writeAll, wrongHash } from './stage.ts'

declare module '../threads/jobs.ts' {
  interface JobTypes {
    'stage-files': typeof stageFiles
  }
}

/** A small file whose content is part of what was received. */
export interface SmallFileToStage {
  /** Its name in the staging directory, that nothing there has. */
  readonly name: string
  readonly entry: Pick<FileEntry, 'size' | 'hash' | 'mode' | 'mtimeMs'>
  /** Where its content begins. */
  readonly offset: number
}

export interface StageFilesRequest {
  /** The staging directory. */
  readonly directory: string
  readonly bytes: Uint8Array
  readonly files: readonly SmallFileToStage[]
}

/** Why a file wasn't staged; `isWrong` where its content isn't what its entry promises. */
export interface StagingFailure {
  readonly isWrong: boolean
  readonly error: PackedError
}

/** Stages many small files, as `Staging.file` does. @returns for each whether it failed; then nothing of it stays */
export function stageFiles({ directory, bytes, files }: StageFilesRequest): Reply<readonly (StagingFailure | null)[]> {
  let full: StagingFailure | undefined
  const answer = files.map((file) => {
    // Where there is no room for one, the others needn't try.
    if (full !== undefined) return full
    try {
      stageFile(join(directory, file.name), file.entry, bytes.subarray(file.offset, file.offset + file.entry.size))
      return null
    } catch (error) {
      const failure = { isWrong: error instanceof WrongContent, error: packError(error) }
      if (isDiskFull(error)) full = failure
      return failure
    }
  })
  return { answer }
}

function stageFile(path: string, entry: SmallFileToStage['entry'], content: Uint8Array): void {
  if (content.length !== entry.size) throw new WrongContent('an extent that reaches beyond its pack')
  if (hash('sha256', content, 'hex') !== entry.hash) throw new WrongContent(wrongHash)
  const fd = createStaged(path)
  try {
    try {
      writeAll(fd, content)
    } finally {
      closeSync(fd)
    }
    reached('content-received')
    // Not while it is open: some file systems set the time once more when what was written is closed.
    setOwnMetadata(path, entry)
  } catch (error) {
    unlinkSync(path)
    throw error
  }
  reached('file-staged')
}
