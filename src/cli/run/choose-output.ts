import type { SyncEvent } from '../../index.ts'
import type { CommonOptions } from '../options/options.ts'
import { type ActivitySource, type Output, writeKey } from '../output/output.ts'
import { plainOutput } from '../output/plain.ts'
import { EventWriter } from '../output/print.ts'
import { showJson } from '../output/text.ts'

/** Progress shows at most this often, in milliseconds; other events show at once. */
const progressMs = 100

/** The output for the options and the terminal. */
export async function outputFor(options: CommonOptions, source: ActivitySource): Promise<Output> {
  const { json, quiet, verbose = false } = options
  if (json) return throttleProgress(jsonOutput())
  if (quiet) return quietOutput()
  if (!process.stderr.isTTY) return throttleProgress(plainOutput(verbose))
  const { terminalOutput } = await import('../output/terminal.ts')
  return throttleProgress(terminalOutput(source, verbose))
}

function jsonOutput(): Output {
  const writer = new EventWriter(process.stdout, (events) => {
    const message = `${events} events were dropped: the reader of this output is too slow`
    return showJson({ type: 'notice', message })
  })
  return { show: (event) => writer.write(showJson(event)), end: () => {} }
}

/** Shows errors only; and the key of a shared folder, which is data. */
function quietOutput(): Output {
  const plain = plainOutput(false)
  const shown: readonly SyncEvent['type'][] = ['error', 'problem', 'conflict']
  return {
    show: (event) => {
      if (event.type === 'ready') writeKey(event)
      else if (shown.includes(event.type)) plain.show(event)
    },
    end: () => {}
  }
}

/** Holds progress back while it comes too fast; the last one shows before the next other event. */
export function throttleProgress(output: Output, now: () => number = () => performance.now()): Output {
  let shownMs = Number.NEGATIVE_INFINITY
  let held: SyncEvent | undefined
  const release = () => {
    if (held !== undefined) output.show(held)
    held = undefined
    shownMs = now()
  }
  return {
    show: (event) => {
      if (event.type === 'progress') {
        held = event
        if (now() - shownMs >= progressMs) release()
        return
      }
      if (held !== undefined) release()
      output.show(event)
    },
    end: () => output.end()
  }
}
