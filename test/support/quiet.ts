import { lstatSync } from 'node:fs'
import { until } from './until.ts'

/** Waits until the last change of a file is old enough for any further change to show in its times. */
export async function quiet(path: string): Promise<void> {
  const past = () => Date.now() - lstatSync(path).ctimeMs > 50
  await until(past, { what: `${path} to be older than a tick of the clock` })
}
