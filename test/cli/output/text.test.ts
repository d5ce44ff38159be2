import { test } from 'brittle'
import { cut, showBytes, showLines, showMany, showPeers, showSeconds, wrap } from '../../../src/cli/output/text.ts'

const bytes: ReadonlyArray<[bytes: number, text: string]> = [
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [99_940, '99.9 kB'],
  [99_950, '100 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [1_234_567, '1.2 MB'],
  [5e15, '5.0 PB'],
  [5e18, '5000 PB']
]
for (const [count, text] of bytes) test(`showBytes shows ${count} as ${text}`, (t) => t.is(showBytes(count), text))

const seconds: ReadonlyArray<[seconds: number, text: string]> = [
  [-1, '0s'],
  [59.2, '1m00s'],
  [75, '1m15s'],
  [3599.5, '1h00m'],
  [3725, '1h02m']
]
for (const [count, text] of seconds)
  test(`showSeconds shows ${count} as ${text}`, (t) => t.is(showSeconds(count), text))

test('showMany adds an s to all numbers but one', (t) => {
  t.alike([showMany(0, 'file'), showMany(1, 'file'), showMany(1234, 'file')], ['0 files', '1 file', '1,234 files'])
})

test('showPeers counts the transports', (t) => {
  const tcp = { transport: 'tcp', distance: 'lan' } as const
  const udx = { transport: 'udx', distance: 'wan' } as const
  t.is(showPeers([]), '0 peers')
  t.is(showPeers([tcp]), '1 peer (1 TCP LAN)')
  t.is(showPeers([tcp, udx, tcp]), '3 peers (2 TCP LAN, 1 UDX)')
})

test('showLines keeps line ends, and escapes the rest', (t) => {
  t.is(showLines('a\nb\u001b[31m'), 'a\nb\\x1b[31m')
})

test('wrap breaks at spaces only', (t) => {
  t.alike(wrap('one two three', 7), ['one two', 'three'])
  t.alike(wrap('a-very-long-word b', 5), ['a-very-long-word', 'b'])
  t.alike(wrap('', 5), [''])
})

test('cut counts characters, not UTF-16 units', (t) => {
  t.is(cut('🦉🦉🦉', 3), '🦉🦉🦉')
  t.is(cut('🦉🦉🦉🦉', 3), '🦉🦉…')
  t.is(cut('abc', 0), '…')
})
