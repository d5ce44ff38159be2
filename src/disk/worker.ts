import { serveJobs } from './worker-port.ts'

/**
 * What worker threads run. Every import costs each thread its time to start, and memory: nothing here leads to
 * the log, the network or a database.
 */
const jobs = {}

export type Jobs = typeof jobs

serveJobs(jobs)
