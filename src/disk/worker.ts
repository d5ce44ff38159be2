import { cutChunks, hashBlock, hashChunks, sumRange, takeSum, writeChunk } from './large-file-jobs.ts'
import { readFiles } from './read-files.ts'
import { stageFiles } from './stage-files.ts'
import { serveJobs } from './worker-port.ts'

/**
 * What worker threads run. Every import costs each thread its time to start, and memory: nothing here leads to
 * the log, the network or a database.
 */
const jobs = {
  'cut-chunks': cutChunks,
  'hash-chunks': hashChunks,
  'sum-range': sumRange,
  'hash-block': hashBlock,
  'write-chunk': writeChunk,
  'take-sum': takeSum,
  'read-files': readFiles,
  'stage-files': stageFiles
}

export type Jobs = typeof jobs

serveJobs(jobs)
