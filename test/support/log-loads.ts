import { appendFileSync } from 'node:fs'
import { createRequire, register } from 'node:module'

// For `node --import`: writes the modules that a process loads to the file P2PSYNC_LOADS, one a line.

const file = process.env.P2PSYNC_LOADS ?? ''

// The hook sees ES modules, and CommonJS modules that they import; the cache has those that CommonJS requires.
register('./log-loads-hook.js', import.meta.url)
process.once('exit', () => {
  const required = Object.keys(createRequire(import.meta.url).cache)
  appendFileSync(file, required.map((path) => `${path}\n`).join(''))
})
