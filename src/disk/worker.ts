import { cutChunks, hashBlock, hashChunks, takeSum, writeChunk } from './large-file-jobs.ts'
import { serveJobs } from './worker-port.ts'

/**
 * What worker threads run. Every import costs each thread its time to start, and memory: nothing here leads to
 * the log, the network or a database.
 */
const jobs = {
  'cut-chunks': cutChunks,
  'hash-chunks': hashChunks,
  'hash-block': hashBlock,
  'write-chunk': writeChunk,
  'take-sum': takeSum
}

export type Jobs = typeof jobs

serveJobs(jobs)
