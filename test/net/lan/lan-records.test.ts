import { test } from 'brittle'
import fc from 'fast-check'
import { announce, asksFor, queryFor, readAnnouncements, ttlSecondsMax } from '../../../src/net/lan/lan-records.ts'
import { fuzzRuns, holds, must } from '../../support/property.ts'

const id = '0123456789abcdef0123456789abcdef'
const publicKey = 'ab'.repeat(32)
const service = { id, publicKey, port: 4000 }
const serviceName = '_p2psync._tcp.local'
const instance = `${id}-${publicKey.slice(0, 16)}.${serviceName}`

/** An announcement as the parser returns it, with the strings of a TXT record as bytes. */
function received(
  ttlSeconds = ttlSecondsMax,
  { named = instance, key = publicKey, port = 4000 as unknown, folder = id, version = 'v=1' } = {}
) {
  const text = [version, `id=${folder}`, `pk=${key}`].map((field) => Buffer.from(field))
  return [
    { name: serviceName, type: 'PTR', ttl: ttlSeconds, data: named },
    { name: named, type: 'SRV', ttl: ttlSeconds, data: { port, target: 'x.local' } },
    { name: named, type: 'TXT', ttl: ttlSeconds, data: text }
  ]
}

test('an announcement contains only the id, the public key and the port', (t) => {
  t.alike(announce(service).answers, [
    { name: serviceName, type: 'PTR', ttl: 120, data: instance },
    {
      name: instance,
      type: 'SRV',
      ttl: 120,
      flush: true,
      data: { port: 4000, target: 'abababababababab.local', priority: 0, weight: 0 }
    },
    { name: instance, type: 'TXT', ttl: 120, flush: true, data: ['v=1', `id=${id}`, `pk=${publicKey}`] }
  ])
})

test('an announcement is read whatever the order and section of its records', (t) => {
  const [pointer, server, text] = received()
  const announced = [{ publicKey, port: 4000, ttlSeconds: 120 }]
  t.alike(readAnnouncements({ answers: [pointer, server, text] }, id), announced)
  t.alike(readAnnouncements({ answers: [pointer], additionals: [text, server] }, id), announced)
  t.alike(readAnnouncements({ answers: received(0) }, id), [{ publicKey, port: 4000, ttlSeconds: 0 }], 'a goodbye')
  t.alike(readAnnouncements({ answers: received(1e9) }, id)[0]?.ttlSeconds, 120, 'the TTL is bounded')
})

const refused: ReadonlyArray<[name: string, records: readonly unknown[]]> = [
  ['no records', []],
  ['no port', received().filter(({ type }) => type !== 'SRV')],
  ['no key', received().filter(({ type }) => type !== 'TXT')],
  ['port 0', received(120, { port: 0 })],
  ['a port too high', received(120, { port: 65_536 })],
  ['a port that is not a number', received(120, { port: '4000' })],
  ['a key in capitals', received(120, { key: publicKey.toUpperCase() })],
  ['a key too short', received(120, { key: publicKey.slice(2) })],
  ['a key too long', received(120, { key: `${publicKey}00` })],
  ['the name of another key', received(120, { named: instance.replace('ab', 'cd') })],
  ['the id of another folder', received(120, { folder: 'f'.repeat(32) })],
  ['a later version', received(120, { version: 'v=2' })],
  ['too many records before it', [...Array.from({ length: 64 }, () => ({ type: 'A' })), ...received()]]
]
for (const [name, answers] of refused) {
  test(`an announcement with ${name} is ignored`, (t) => {
    t.alike(readAnnouncements({ answers }, id), [])
  })
}

test('an announcement of another folder is ignored', (t) => {
  t.alike(readAnnouncements({ answers: received() }, 'f'.repeat(32)), [])
})

test('a query is answered when it asks for the service and does not list us as known', (t) => {
  t.ok(asksFor(queryFor(id, []), service))
  t.ok(asksFor(queryFor(id, ['cd'.repeat(32)]), service), 'knows another')
  t.absent(asksFor(queryFor(id, ['cd'.repeat(32), publicKey]), service), 'knows us')
  t.ok(asksFor({ questions: [{ name: serviceName, type: 'ANY' }] }, service))
  t.absent(asksFor({ questions: [{ name: serviceName, type: 'A' }] }, service))
  t.absent(asksFor({ questions: [{ name: '_http._tcp.local', type: 'PTR' }] }, service))
  t.absent(asksFor({ questions: [{ name: '_services._dns-sd._udp.local', type: 'PTR' }] }, service))
  t.absent(asksFor({}, service))
})

test('a query fits into one datagram', (t) => {
  const known = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(64, '0'))
  t.ok(JSON.stringify(queryFor(id, known)).length < 2000)
})

test('any packet yields only valid announcements', async (t) => {
  const name = fc.oneof(fc.constantFrom(serviceName, instance), fc.anything())
  const type = fc.oneof(fc.constantFrom('PTR', 'SRV', 'TXT', 'ANY'), fc.anything())
  const text = fc.array(
    fc.oneof(
      fc.constantFrom('v=1', `id=${id}`, `pk=${publicKey}`).map((it) => Buffer.from(it)),
      fc.anything()
    )
  )
  const data = fc.oneof(fc.constant(instance), fc.record({ port: fc.anything() }), text, fc.anything())
  const record = fc.record({ name, type, data, ttl: fc.anything() }, { requiredKeys: [] })
  const section = fc.oneof(fc.array(fc.oneof(record, fc.constantFrom(...received()), fc.anything())), fc.anything())
  const packet = fc.record({ questions: section, answers: section, additionals: section })
  await holds(
    t,
    fc.property(packet, (it) => {
      const hostile = it as Parameters<typeof asksFor>[0]
      asksFor(hostile, service)
      for (const read of readAnnouncements(hostile, id)) {
        must(read.publicKey === publicKey, 'a key that was not announced')
        must(Number.isInteger(read.port) && read.port > 0 && read.port < 65_536, 'an invalid port')
        must(read.ttlSeconds >= 0 && read.ttlSeconds <= 120, 'an invalid TTL')
      }
    }),
    { numRuns: fuzzRuns(1000) }
  )
})
