import { appendFileSync } from 'node:fs'
import type { LoadHook } from 'node:module'

// The loader hook that `log-loads.ts` registers. It runs in a thread of its own.

export const load: LoadHook = (url, context, nextLoad) => {
  appendFileSync(process.env.P2PSYNC_LOADS ?? '', `${url}\n`)
  return nextLoad(url, context)
}
