import { hostname } from 'node:os'
import type { ConflictNaming } from '../disk/write/preserve.ts'

/** Conflict copies get this machine's name and the time. */
export const naming: ConflictNaming = { host: hostname(), now: () => new Date() }
