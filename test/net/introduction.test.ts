import { test } from 'brittle'
import fc from 'fast-check'
import { decodeIntroduction, encodeIntroduction, type Introduction } from '../../src/net/introduction.ts'
import { fuzzRuns, holds, must } from '../support/property.ts'

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array))
const anIntroduction = fc.record({
  machine: bytes(32),
  signature: bytes(64),
  bbr: fc.boolean(),
  sends: fc.boolean(),
  port: fc.integer({ min: 0, max: 65_535 }),
  hosts: fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 16 })
})
const plain: Introduction = {
  machine: Buffer.alloc(32, 1),
  signature: Buffer.alloc(64, 2),
  bbr: true,
  sends: false,
  port: 4977,
  hosts: ['10.0.0.1', 'fd00::1']
}

/** Whether a message is a valid introduction; any error but a `RangeError` fails the test. */
function isValid(message: Uint8Array): boolean {
  try {
    decodeIntroduction(message)
    return true
  } catch (error) {
    must(error instanceof RangeError, `${String(error)} for ${Buffer.from(message).toString('hex')}`)
    return false
  }
}

test('decoding an introduction returns the encoded one', async (t) => {
  const inputs = fc.property(anIntroduction, (introduction) => {
    const read = decodeIntroduction(encodeIntroduction(introduction))
    must(JSON.stringify(read) === JSON.stringify(introduction), JSON.stringify(read))
  })
  await holds(t, inputs)
})

test('fields that a later version appends are skipped', async (t) => {
  const inputs = fc.property(anIntroduction, fc.uint8Array(), (introduction, more) => {
    const read = decodeIntroduction(Buffer.concat([encodeIntroduction(introduction), more]))
    must(JSON.stringify(read) === JSON.stringify(introduction), JSON.stringify(read))
  })
  await holds(t, inputs)
  const later = encodeIntroduction(plain)
  later[0] = 9
  t.alike(decodeIntroduction(later).hosts, plain.hosts)
})

test('a decoded introduction shares no memory with its message', (t) => {
  const message = encodeIntroduction(plain)
  const { machine, signature } = decodeIntroduction(message)
  message.fill(0)
  t.alike([machine, signature], [plain.machine, plain.signature])
})

test('a truncated introduction is invalid', (t) => {
  const whole = encodeIntroduction(plain)
  for (let length = 0; length < whole.length; length++) {
    if (isValid(whole.subarray(0, length))) t.fail(`the first ${length} bytes are valid`)
  }
  t.ok(isValid(whole))
})

test('an introduction has at most sixteen addresses', (t) => {
  const hosts = Array.from({ length: 40 }, (_, i) => `10.0.0.${i}`)
  t.is(decodeIntroduction(encodeIntroduction({ ...plain, hosts })).hosts.length, 16)
})

/** Introductions with one invalid field. */
const invalid: ReadonlyArray<[name: string, introduction: Introduction]> = [
  ['a port that is too large', { ...plain, port: 65_536 }],
  ['a port far too large', { ...plain, port: 2 ** 40 }],
  ['a host name', { ...plain, hosts: ['example.org'] }],
  ['an empty address', { ...plain, hosts: [''] }],
  ['an address with a trailing newline', { ...plain, hosts: ['10.0.0.1\n'] }],
  ['a path', { ...plain, hosts: ['/run/socket'] }]
]
for (const [name, introduction] of invalid) {
  test(`an introduction with ${name} is invalid`, (t) => t.absent(isValid(encodeIntroduction(introduction))))
}

test('an introduction that claims too many addresses, or format 0, is invalid', (t) => {
  const head = encodeIntroduction({ ...plain, hosts: [] }).subarray(0, -1)
  for (const count of ['11', 'fdffff', 'feffffffff', 'ffffffffffffffffff', 'ff000000000000f03f'])
    t.absent(isValid(Buffer.concat([head, Buffer.from(count, 'hex')])), count)
  t.absent(isValid(Buffer.concat([Buffer.of(0), encodeIntroduction(plain).subarray(1)])), 'format 0')
})

test('decoding any bytes returns an introduction or throws a RangeError', async (t) => {
  const anyBytes = fc.property(fc.uint8Array({ maxLength: 300 }), (message) => void isValid(message))
  await holds(t, anyBytes, { numRuns: fuzzRuns(2000) })
  const whole = encodeIntroduction(plain)
  const damaged = fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
    const message = Buffer.from(whole)
    message[at] = value
    isValid(message)
    isValid(message.subarray(0, length))
  })
  await holds(t, damaged, { numRuns: fuzzRuns(2000) })
})
