import type { SyncEvent } from '../../index.ts'
import type { CommonOptions } from '../options/options.ts'
import { type ActivitySource, type Output, writeKey } from '../output/output.ts'
import { plainOutput } from '../output/plain.ts'
import { terminalOutput } from '../output/terminal.ts'
import { showJson } from '../output/text.ts'

/** Progress is shown so often, in milliseconds; what else happens at once. */
const progressMs = 100

/** The output that the options and the terminal call for. */
export function outputFor(options: CommonOptions, source: ActivitySource): Output {
  if (options.json) return withCalmProgress(jsonOutput())
  if (options.quiet) return quietOutput()
  if (process.stderr.isTTY) return withCalmProgress(terminalOutput(source, options.verbose === true))
  return withCalmProgress(plainOutput(options.verbose === true))
}

function jsonOutput(): Output {
  return {
    show: (event) => void process.stdout.write(`${showJson(event)}\n`),
    end: () => {}
  }
}

/** Errors alone; but a writer's key is data. */
function quietOutput(): Output {
  const plain = plainOutput(false)
  const always: readonly SyncEvent['type'][] = ['error', 'problem', 'conflict']
  return {
    show: (event) => {
      if (event.type === 'ready') writeKey(event)
      else if (always.includes(event.type)) plain.show(event)
    },
    end: () => {}
  }
}

function withCalmProgress(output: Output): Output {
  let shownMs = Number.NEGATIVE_INFINITY
  let held: SyncEvent | undefined
  const release = () => {
    if (held !== undefined) output.show(held)
    held = undefined
    shownMs = performance.now()
  }
  return {
    show: (event) => {
      if (event.type === 'progress') {
        held = event
        if (performance.now() - shownMs >= progressMs) release()
        return
      }
      if (held !== undefined) release()
      output.show(event)
    },
    end: () => output.end()
  }
}
