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

/** A small file whose content is part of a received pack. */
export interface SmallFileToStage {
  /** A free name in the staging directory. */
  readonly name: string
  readonly entry: Pick<FileEntry, 'size' | 'hash' | 'mode' | 'mtimeMs'>
  /** Where its content begins in the pack. */
  readonly offset: number
}

export interface StageFilesRequest {
  /** The staging directory. */
  readonly directory: string
  readonly bytes: Uint8Array
  readonly files: readonly SmallFileToStage[]
}

/** Why a file wasn't staged; `isWrong` if its content differs from its entry. */
export interface StagingFailure {
  readonly isWrong: boolean
  readonly error: PackedError
}

/** Stages many small files, as `Staging.file` does. @returns for each file its failure, or `null` */
export function stageFiles({ directory, bytes, files }: StageFilesRequest): Reply<readonly (StagingFailure | null)[]> {
  let full: StagingFailure | undefined
  const answer = files.map((file) => {
    // On a full disk the other files fail too.
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
    // After the close: some file systems set the time again when they close a written file.
    setOwnMetadata(path, entry)
  } catch (error) {
    unlinkSync(path)
    throw error
  }
  reached('file-staged')
}
