import { rmSync } from 'node:fs'
import { test } from 'brittle'
import { verify } from '../../src/care/verify.ts'
import type { VerifyEvent, VerifyOptions } from '../../src/care/verify-events.ts'
import type { VerifyHost } from '../../src/care/verify-host.ts'
import { SyncError } from '../../src/errors.ts'
import { flipBit } from '../support/bit-flips.ts'
import { codeOf } from '../support/failure.ts'
import { collectAll } from '../support/log-source.ts'
import { Share } from '../support/share.ts'

async function open(t: Parameters<typeof Share.open>[0], changes: Partial<VerifyHost> = {}) {
  const share = await Share.open(t, { a: 'some text', 'dir/b': 'other text' })
  await share.publish(t)
  const host = share.verifyHost(share.publisher(t), changes)
  const events = (options: VerifyOptions = {}) => collectAll(verify(() => host, options))
  return { share, host, events }
}

const endOf = (events: readonly VerifyEvent[]) => {
  const end = events.at(-1)
  if (end?.type !== 'verified') throw new Error('No end')
  return end
}

test('a sound folder: all of it is read, and nothing found', async (t) => {
  const { share, events } = await open(t)
  const end = endOf(await events())
  const blocks = share.version.length + share.writer.content.length
  t.alike([end.files, end.filesTotal, end.blocks, end.blocksTotal], [2, 2, blocks, blocks])
  t.alike([end.damaged, end.left, end.diverged, end.unclear, end.sample], [0, 0, 0, 0, 1])
  t.ok(end.blockBytes > 0)
})

test('damage is found, and mended when that is asked for', async (t) => {
  const { share, events } = await open(t)
  flipBit(share.at('a'), 1, 1)
  t.alike([endOf(await events()).damaged, endOf(await events()).left], [1, 1])
  const end = endOf(await events({ repair: true }))
  t.alike([end.damaged, end.repaired, end.left], [1, 1, 0])
  t.is(endOf(await events()).damaged, 0)
})

test('a store that cannot be opened is damage', async (t) => {
  const cores = () => Promise.reject(new SyncError('DAMAGED', 'The store is damaged'))
  const { events } = await open(t, { cores })
  const [event] = (await events()).filter(({ type }) => type === 'damaged')
  t.alike(event, { type: 'damaged', what: 'store', message: 'The store is damaged' })
  const broken = await open(t, { cores: () => Promise.reject(new Error('a bug')) })
  await t.exception(() => broken.events(), /a bug/)
})

test('blocks that should be here and are not are damage', async (t) => {
  const { host, events } = await open(t)
  const missing = { ...(await host.cores()), missing: async () => [7] }
  const gapped = await collectAll(verify(() => ({ ...host, cores: async () => missing })))
  t.alike(
    gapped.filter(({ type }) => type === 'damaged'),
    [{ type: 'damaged', what: 'block', core: 'content', block: 7, message: 'It is not here' }]
  )
  t.is(endOf(await events()).damaged, 0)
})

test('a sample is over 0 and up to 1', async (t) => {
  const { events } = await open(t)
  for (const sample of [0, -1, 1.5, Number.NaN]) t.is(await codeOf(() => events({ sample })), 'USAGE')
  t.is(endOf(await events({ sample: 0.5 })).sample, 0.5)
})

test('a folder without its marker is not verified', async (t) => {
  const { share, events } = await open(t)
  rmSync(share.at('.p2psync/folder.json'))
  t.is(await codeOf(() => events()), 'HALTED')
})
