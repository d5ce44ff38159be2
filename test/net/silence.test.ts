import { test } from 'brittle'
import fc from 'fast-check'
import { Lateness, patienceMs } from '../../src/lateness.ts'
import { keepAliveMs, Silence } from '../../src/net/silence.ts'
import { holds, must } from '../support/property.ts'

interface Scene {
  /** The pauses between a peer's messages, in milliseconds. */
  readonly gaps?: readonly number[]
  /** How late this process's timers are. */
  readonly ownLateMs?: number
  /** How long the first answer takes. */
  readonly rttMs?: number
}

/** How long it takes to treat a peer that falls silent as dead. */
function waitedMs({ gaps = [], ownLateMs = 0, rttMs = 0 }: Scene): number {
  const silence = new Silence(0)
  let nowMs = 0
  silence.answered(rttMs, nowMs)
  for (const gap of gaps) {
    for (let ms = 0; ms < gap; ms += 50) if (silence.isOver(nowMs + ms, ownLateMs)) return Number.NaN
    nowMs += gap
    silence.heard(nowMs)
  }
  for (let ms = 0; ms < 1_000_000; ms += 50) if (silence.isOver(nowMs + ms, ownLateMs)) return ms
  return Number.POSITIVE_INFINITY
}

const cases: ReadonlyArray<[name: string, scene: Scene, fromMs: number, toMs: number]> = [
  ['has never been late', { gaps: Array(20).fill(keepAliveMs) }, 5000, 5000],
  ['has said nothing yet', {}, 5000, 5000],
  ['was a little late', { gaps: [keepAliveMs + 100] }, 5100, 5500],
  ['was late by seconds', { gaps: [4500] }, 12_000, 14_000],
  ['gets later and later', { gaps: [4000, 8000, 16_000, 32_000] }, 45_000, 45_000],
  ['answered late at first', { rttMs: 3000 }, 12_000, 14_000],
  ['may share this late machine', { ownLateMs: 3000 }, 14_000, 14_000],
  ['was late long ago', { gaps: [4500, ...Array(400).fill(keepAliveMs)] }, 5000, 5100],
  ['was extremely late', { rttMs: 1_000_000 }, 45_000, 45_000]
]
for (const [name, scene, fromMs, toMs] of cases) {
  test(`the silence of a peer that ${name} ends after ${fromMs} to ${toMs} ms`, (t) => {
    const ms = waitedMs(scene)
    t.ok(ms >= fromMs && ms <= toMs, `${ms} ms`)
  })
}

test('connections to one peer share its lateness', (t) => {
  const known = new Lateness()
  const first = new Silence(0)
  first.heard(4500)
  first.share(known, 4500)
  const next = new Silence(4500, known)
  t.absent(next.isOver(4500 + 10_000, 0))
  t.ok(next.isOver(4500 + 45_000, 0))
})

test('a time limit grows with lateness, within its bounds', async (t) => {
  const late = fc.nat(1_000_000)
  const inputs = fc.property(fc.nat(10_000), fc.nat(100_000), late, late, (minMs, moreMs, one, other) => {
    const limit = { minMs, maxMs: minMs + moreMs }
    const [less, more] = [Math.min(one, other), Math.max(one, other)]
    must(patienceMs(limit, 0) === minMs, 'the minimum')
    must(patienceMs(limit, less) <= patienceMs(limit, more), 'it grows')
    must(patienceMs(limit, more) <= limit.maxMs, 'the maximum')
  })
  await holds(t, inputs)
})
