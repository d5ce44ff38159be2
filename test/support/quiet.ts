import { lstatSync } from 'node:fs'
import { until } from './until.ts'

/** Waits until the last change of a file is so long past that any further one shows in its times. */
export async function quiet(path: string): Promise<void> {
  const past = () => Date.now() - lstatSync(path).ctimeMs > 50
  await until(past, { what: `${path} to be older than a tick of the clock` })
}
