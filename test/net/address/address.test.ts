import { test } from 'brittle'
import fc from 'fast-check'
import { plainHost, readAddress, showAddress } from '../../../src/net/address/address.ts'
import { fuzzRuns, holds, must } from '../../support/property.ts'

test('readAddress reads any address that showAddress writes', async (t) => {
  const port = fc.integer({ min: 1, max: 65_535 })
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.domain(),
    fc.constantFrom('localhost', 'fe80::1%eth0', 'fe80::1%br-1.2')
  )
  const inputs = fc.property(fc.record({ host, port }), (address) => {
    const read = readAddress(showAddress(address))
    must(read?.host === address.host && read.port === address.port, `${showAddress(address)}: ${JSON.stringify(read)}`)
  })
  await holds(t, inputs)
})

test('showAddress puts IPv6 addresses in brackets', (t) => {
  t.is(showAddress({ host: '10.0.0.1', port: 1 }), '10.0.0.1:1')
  t.is(showAddress({ host: 'nas.local', port: 4977 }), 'nas.local:4977')
  t.is(showAddress({ host: '::1', port: 1 }), '[::1]:1')
  t.is(showAddress({ host: 'fe80::1%eth0', port: 1 }), '[fe80::1%eth0]:1')
  t.alike(readAddress(' 10.0.0.1:80 '), { host: '10.0.0.1', port: 80 })
})

for (const text of [
  ...[
    '',
    ':',
    'host',
    'host:',
    ':80',
    'host:0',
    'host:65536',
    'host:999999',
    'host:-1',
    'host:+1',
    'host:1.5',
    'host:80x'
  ],
  ...[
    '::1:80',
    '[::1]',
    '[::1]:',
    '[::1]80',
    '[host]:80',
    '[::1%]:80',
    'a b:80',
    'key@host:80',
    'host:80:80',
    'http://host:80'
  ]
]) {
  test(`${JSON.stringify(text)} is not an address`, (t) => t.is(readAddress(text), undefined))
}

test('reading any text returns a valid address or undefined', async (t) => {
  const inputs = fc.property(fc.string({ unit: fc.constantFrom(...'[]:%.@ a1f0-\n') }), (text) => {
    const read = readAddress(text)
    if (read === undefined) return
    must(read.port >= 1 && read.port <= 65_535 && read.host !== '' && !/\s/.test(read.host), JSON.stringify(read))
  })
  await holds(t, inputs, { numRuns: fuzzRuns(2000) })
})

test('plainHost gives an IPv4 address one form', (t) => {
  t.is(plainHost('::ffff:10.0.0.1'), '10.0.0.1')
  for (const host of ['10.0.0.1', '::1', '::ffff:0:1', 'fe80::1%eth0', 'nas.local', '']) t.is(plainHost(host), host)
})
