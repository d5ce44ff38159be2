import type { hashBlock } from './leaf-hasher.ts'

/** The jobs of worker threads, by name. A module that defines a job adds it here by declaration merging. */
export interface JobTypes {
  'hash-block': typeof hashBlock
}

export type Jobs = { readonly [K in keyof JobTypes]: JobTypes[K] }
