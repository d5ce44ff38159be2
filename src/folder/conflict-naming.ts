import { hostname } from 'node:os'
import type { ConflictNaming } from '../disk/write/preserve.ts'

/** What conflict copies are named after. */
export const naming: ConflictNaming = { host: hostname(), now: () => new Date() }
