/**
 * Deadlines that only end hanging tests. They don't require any speed: a slow and busy machine may take
 * minutes for work of milliseconds. All in milliseconds.
 */

/** Deadline of one wait for a condition. */
export const hangMs = 300_000

/** Deadline of one test, which may wait for many conditions in turn. */
export const testHangMs = 1_800_000

/** Deadline of a test with a configurable number of rounds, and of all tests of a file together. */
export const longTestHangMs = 7_200_000

/** The counterpart of `hangMs` for `--timeout` of a command that should succeed; shorter, so that the command reports why it gave up. */
export const patientTimeout = ['--timeout', '4m'] as const
