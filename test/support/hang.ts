/**
 * Deadlines that only end what hangs. They say nothing of how fast anything has to be: a slow and busy machine may take
 * minutes for what takes milliseconds elsewhere. All in milliseconds.
 */

/** Of one wait for something to come. */
export const hangMs = 300_000

/** Of one test, which may wait for many things one after the other. */
export const testHangMs = 1_800_000

/** Of a test that goes on for as many rounds as it is told to, and of all tests of a file together. */
export const longTestHangMs = 7_200_000

/** The same as `hangMs` for `--timeout` of a command that is to succeed; shorter, so that the command tells why it gave up. */
export const patient = ['--timeout', '4m'] as const
