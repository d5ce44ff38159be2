import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync, readFileSync } from 'node:fs'
import { failpointChannel } from '../../src/failpoints.ts'

/**
 * Loaded before the command line (`NODE_OPTIONS=--import …`): kills its own process by SIGKILL at a
 * step. `P2PSYNC_KILL_AT` names a file with `<step> <n>`: at the n-th time since the file was written.
 * It is read anew at each step, so that a process can be armed while it runs. `P2PSYNC_STEP_LOG`
 * names a file to which each step is added as it is reached.
 */
const armed = process.env.P2PSYNC_KILL_AT
const log = process.env.P2PSYNC_STEP_LOG
let order = ''
let count = 0

subscribe(failpointChannel, (step) => {
  if (log !== undefined) appendFileSync(log, `${step}\n`)
  if (armed === undefined) return
  const now = readOrder(armed)
  if (now !== order) [order, count] = [now, 0]
  const [name, times] = now.split(' ')
  if (name !== step || ++count < Number(times)) return
  process.kill(process.pid, 'SIGKILL')
})

function readOrder(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
