import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isAbsence } from './beneath.ts'

/** Bytes of disk that a directory takes with all in it, as `du` counts them. Throws the system's error. */
export function diskUsage(path: string): number {
  try {
    const stats = lstatSync(path)
    const names = stats.isDirectory() ? readdirSync(path) : []
    return names.reduce((bytes, name) => bytes + diskUsage(join(path, name)), stats.blocks * 512)
  } catch (error) {
    // A database at work drops its files at any moment.
    if (isAbsence(error)) return 0
    throw error
  }
}
