import { messageOf } from '../errors.ts'
import { type Check, type Finding, failed, warning } from './checks.ts'

/** The time limit of a check. All checks run at the same time. */
const checkMsMax = 5000

/** Runs a check with a time limit. Never rejects: an error is a failure. */
export async function check(name: string, find: () => Promise<Finding>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Finding>((settle) => {
    const message = `not known after ${checkMsMax / 1000} s`
    timer = setTimeout(() => settle(warning(message, 'try again; a disk or a network may be very slow')), checkMsMax)
  })
  // A system error names the call that failed.
  const toFinding = (error: unknown) => failed(messageOf(error))
  const finding = await Promise.race([Promise.resolve().then(find).catch(toFinding), late])
  clearTimeout(timer)
  return { name, ...finding }
}
