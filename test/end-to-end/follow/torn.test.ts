import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { test } from 'brittle'
import { startClone, startShare } from '../../support/cli.ts'
import { becomeSame } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { until } from '../../support/until.ts'

const blockBytes = 4096

/** Rewrites a file in place, block by block, each time with another number in all of its blocks. */
const rewriter = `
const { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } = require('node:fs')
const { workerData: { path, rounds } } = require('node:worker_threads')
for (let round = 1; round <= rounds; round++) {
  if (round % 5 === 0) unlinkSync(path)
  const fd = openSync(path, round % 5 === 0 ? 'w' : 'r+')
  const blocks = 50 + ((round * 37) % 400)
  for (let i = 0; i < blocks; i++) writeSync(fd, Buffer.alloc(${blockBytes}, round), 0, ${blockBytes}, i * ${blockBytes})
  ftruncateSync(fd, blocks * ${blockBytes})
  closeSync(fd)
  // A pause now and then, in which it is whole and may be published.
  if (round % 3 === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120)
}
`

test('a file that is rewritten in place, grows, shrinks and vanishes all the time is never published torn', {
  timeout: 120_000
}, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  const path = join(source, 'file')
  writeFileSync(path, Buffer.alloc(60 * blockBytes))
  const writer = await startShare(t, source, { bootstrap })
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')

  const worker = new Worker(rewriter, { eval: true, workerData: { path, rounds: 120 } })
  let working = true
  worker.once('exit', () => {
    working = false
  })
  const torn: string[] = []
  const seen = new Set<number>()
  const look = () => {
    try {
      const content = readFileSync(join(mirror, 'file'))
      const round = content[0] ?? 0
      seen.add(round)
      if (!content.equals(Buffer.alloc(content.length, round))) torn.push(`round ${round}`)
    } catch {
      // It is gone for the moment.
    }
    return !working
  }
  await until(look, { what: 'the end of the rewriting', ms: 60_000 })
  await becomeSame(t, source, mirror)
  look()
  t.alike(torn, [])
  t.ok(seen.size > 1, `${seen.size} states of it were published in between`)
  const errors = [...writer.events, ...reader.events].filter(({ type }) => type === 'error' || type === 'conflict')
  t.alike(errors, [])
})
