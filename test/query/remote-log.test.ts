import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { parseKey } from '../../src/log/hypercore/store.ts'
import { content } from '../../src/query/content.ts'
import { list } from '../../src/query/list.ts'
import { RemoteLog, type RemoteOptions } from '../../src/query/remote-log.ts'
import { codeOf } from '../support/failure.ts'
import { commit } from '../support/log.ts'
import { collectAll, openLogSource } from '../support/log-source.ts'
import { joinAsPeer } from '../support/network.ts'
import { startTestnet } from '../support/testnet.ts'

const { signal } = new AbortController()

async function open(t: Assert, key: string, options: RemoteOptions) {
  // The identity of the test's own machine.
  process.env.XDG_STATE_HOME = await t.tmp()
  const log = await RemoteLog.open(key, { lan: false, tcp: false, timeoutMs: 120_000, ...options })
  t.teardown(() => log.close(), { order: 0 })
  return log
}

/** A source with one file on a private DHT. */
async function share(t: Assert) {
  const { addresses } = await startTestnet(t)
  const { store, writer, file } = await openLogSource(t)
  await commit(writer, { a: await file('far away') })
  const onCarrier = (stream: Parameters<typeof store.replicate>[0]) => void store.replicate(stream)
  const source = () => joinAsPeer(t, { secret: parseKey(writer.key), bootstrap: addresses, sends: true, onCarrier })
  return { key: writer.key, bootstrap: addresses, source }
}

const paths = async ({ source }: RemoteLog) =>
  (await collectAll(list(source, {}, signal))).flatMap((record) => (record.type === 'entry' ? [record.path] : []))

test('lists and reads what a peer has', async (t) => {
  const { key, bootstrap, source } = await share(t)
  await source()
  const log = await open(t, key, { bootstrap })
  t.is(log.source.key, key)
  t.alike(await paths(log), ['a'])
  const { bytes } = await content(log.source, { path: 'a' }, signal)
  t.is(Buffer.concat(await collectAll(bytes)).toString(), 'far away')
})

test('a cache answers without any peer, after a while', async (t) => {
  const { key, bootstrap, source } = await share(t)
  const cache = join(await t.tmp(), 'cache')
  const network = await source()
  const first = await RemoteLog.open(key, { bootstrap, cache, lan: false, tcp: false, timeoutMs: 120_000 })
  t.alike(await paths(first), ['a'])
  await first.close()
  t.ok(existsSync(cache))
  await network.close()
  const second = await open(t, key, { bootstrap, cache, timeoutMs: 100 })
  t.alike(await paths(second), ['a'])
})

test('nobody who has the log is told after the timeout, and an abort ends the wait', async (t) => {
  const { key, bootstrap } = await share(t)
  const log = await open(t, key, { bootstrap, timeoutMs: 100 })
  t.is(await codeOf(() => paths(log)), 'NO_PEER')
  const patient = await open(t, key, { bootstrap })
  const stop = new AbortController()
  const waiting = patient.source.settled(stop.signal)
  stop.abort()
  t.is(await codeOf(() => waiting), 'ABORT_ERR')
})

test('a key that is none is refused', async (t) => {
  t.is(await codeOf(() => RemoteLog.open('nonsense', { lan: false })), 'BAD_KEY')
})
