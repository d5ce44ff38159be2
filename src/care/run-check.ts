import { messageOf } from '../errors.ts'
import { type Check, type Finding, failed, warning } from './checks.ts'

/** No check takes longer, and all go on at the same time. */
const checkMsMax = 5000

/** Runs a check, and gives up when it takes too long. */
export async function check(name: string, find: () => Promise<Finding>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Finding>((settle) => {
    const what = `not known after ${checkMsMax / 1000} s`
    timer = setTimeout(() => settle(warning(what, 'try again; a disk or a network may be very slow')), checkMsMax)
  })
  // An error of the system's names what it couldn't do.
  const toFinding = (error: unknown) => failed(messageOf(error))
  const finding = await Promise.race([Promise.resolve().then(find).catch(toFinding), late])
  clearTimeout(timer)
  return { name, ...finding }
}
