import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { test } from 'brittle'
import { startClone, startShare } from '../../support/cli.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { until } from '../../support/until.ts'

const blockBytes = 4096

const rounds = 120
/** A file that rests this long in the middle of a rewrite can't be distinguished from a complete one. */
const restMs = 10

/**
 * Rewrites a file in place, block by block, each time with another number in all blocks. At its end it reports the
 * rounds in which it was itself delayed, as may happen to any process on a busy machine.
 */
const rewriter = `
const { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } = require('node:fs')
const { parentPort, workerData: { path, rounds } } = require('node:worker_threads')
const heldUp = []
for (let round = 1; round <= rounds; round++) {
  if (round % 5 === 0) unlinkSync(path)
  const fd = openSync(path, round % 5 === 0 ? 'w' : 'r+')
  const blocks = 50 + ((round * 37) % 400)
  let [beforeMs, longestMs] = [performance.now(), 0]
  const measurePause = () => {
    const nowMs = performance.now()
    longestMs = Math.max(longestMs, nowMs - beforeMs)
    beforeMs = nowMs
  }
  for (let i = 0; i < blocks; i++) {
    writeSync(fd, Buffer.alloc(${blockBytes}, round), 0, ${blockBytes}, i * ${blockBytes})
    measurePause()
  }
  ftruncateSync(fd, blocks * ${blockBytes})
  measurePause()
  closeSync(fd)
  if (longestMs >= ${restMs}) heldUp.push(round)
  // A pause now and then, during which the file is complete and may be published.
  if (round % 3 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120)
}
parentPort.postMessage(heldUp)
`

test('a file that keeps being rewritten in place, grows, shrinks and vanishes is never published torn', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const path = join(source, 'file')
  writeFileSync(path, Buffer.alloc(60 * blockBytes))
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')

  const worker = new Worker(rewriter, { eval: true, workerData: { path, rounds } })
  let working = true
  let heldUp: readonly number[] = []
  worker.once('message', (delayedRounds: readonly number[]) => {
    heldUp = delayedRounds
  })
  worker.once('exit', () => {
    working = false
  })
  /** Keyed by the round of the rewriting. */
  const torn = new Set<number>()
  const seen = new Set<number>()
  const inspect = () => {
    try {
      const content = readFileSync(join(mirror, 'file'))
      const round = content[0] ?? 0
      seen.add(round)
      if (!content.equals(Buffer.alloc(content.length, round))) torn.add(round)
    } catch {
      // The file is absent for the moment.
    }
    return !working
  }
  await until(inspect, { what: 'the end of the rewriting' })
  await waitUntilEqual(t, source, mirror)
  inspect()
  t.alike(
    [...torn].filter((round) => !heldUp.includes(round)),
    []
  )
  t.ok(heldUp.length < rounds, `${heldUp.length} of ${rounds} rounds were delayed`)
  t.ok(seen.size > 1, `${seen.size} intermediate states were published`)
  const errors = [...writer.events, ...reader.events].filter(({ type }) => type === 'error' || type === 'conflict')
  t.alike(errors, [])
})
