import { hostname } from 'node:os'
import type { KeepOptions } from '../disk/write/preserve.ts'

/** What conflict copies are named after. */
export const naming: KeepOptions = { host: hostname(), now: () => new Date() }
