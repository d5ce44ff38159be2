import { cutChunks, hashChunks, sumRange, takeSum, writeChunk } from './read/large-file-jobs.ts'
import { readFiles } from './read/read-files.ts'
import type { Jobs } from './threads/jobs.ts'
import { hashBlock } from './threads/leaf-hasher.ts'
import { serveJobs } from './threads/worker-port.ts'
import { stageFiles } from './write/stage-files.ts'

/**
 * The entry point of worker threads. Every import costs each thread startup time and memory, so none leads to the log,
 * the network or a database.
 */
const jobs: Jobs = {
  'cut-chunks': cutChunks,
  'hash-chunks': hashChunks,
  'sum-range': sumRange,
  'hash-block': hashBlock,
  'write-chunk': writeChunk,
  'take-sum': takeSum,
  'read-files': readFiles,
  'stage-files': stageFiles
}

serveJobs(jobs)
