import { readFileSync } from 'node:fs'

/** Loaded before a command, shifts the clock of `Date` by the milliseconds that a file holds. */
const file = process.env.P2PSYNC_TEST_CLOCK ?? ''
const RealDate = Date
const now = () => RealDate.now() + Number(readFileSync(file, 'utf8'))

globalThis.Date = class extends RealDate {
  constructor(...args: readonly unknown[]) {
    super(...((args.length === 0 ? [now()] : args) as [number]))
  }
  static override now = now
} as DateConstructor
