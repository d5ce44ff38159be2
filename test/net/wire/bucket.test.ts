import { test } from 'brittle'
import fc from 'fast-check'
import { Bucket, type Clock } from '../../../src/net/wire/bucket.ts'
import { holds, must } from '../../support/property.ts'

/** A clock moved by hand. Its timers fire `lateMs` late. */
class HandClock implements Clock {
  #nowMs = 0
  readonly #lateMs: number
  #timers: { readonly atMs: number; readonly act: () => void }[] = []

  constructor(lateMs = 0) {
    this.#lateMs = lateMs
  }

  get timers(): number {
    return this.#timers.length
  }

  now(): number {
    return this.#nowMs
  }

  after(ms: number, act: () => void): () => void {
    must(Number.isInteger(ms) && ms > 0, `a delay of ${ms} ms`)
    const timer = { atMs: this.#nowMs + ms + this.#lateMs, act }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((it) => it !== timer)
    }
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms
    for (;;) {
      const [next] = this.#timers.toSorted((a, b) => a.atMs - b.atMs)
      if (next === undefined || next.atMs > endMs) break
      this.#timers = this.#timers.filter((it) => it !== next)
      this.#nowMs = next.atMs
      next.act()
    }
    this.#nowMs = endMs
  }
}

/** Takes repeatedly, and records the time and size of each flow. */
function stream(bucket: Bucket, clock: Clock, sizes: () => number) {
  const flowed: { readonly atMs: number; readonly bytes: number }[] = []
  let asked = 0
  const go = (): void => {
    flowed.push({ atMs: clock.now(), bytes: asked })
    ask()
  }
  const ask = (): void => {
    for (;;) {
      asked = sizes()
      if (asked === 0 || !bucket.take(asked, go)) return
      flowed.push({ atMs: clock.now(), bytes: asked })
    }
  }
  ask()
  return { flowed, total: () => flowed.reduce((sum, { bytes }) => sum + bytes, 0), go }
}

const burstOf = (rate: number): number => Math.max(16_384, rate / 10)

test('in any period, at most the rate, one burst and one message flow', async (t) => {
  const inputs = fc.record({
    rate: fc.integer({ min: 1000, max: 10_000_000 }),
    lateMs: fc.integer({ min: 0, max: 50 }),
    // The sizes in milliseconds of the rate.
    streams: fc.array(fc.array(fc.integer({ min: 10, max: 3000 }), { minLength: 1, maxLength: 5 }), {
      minLength: 1,
      maxLength: 4
    }),
    steps: fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 20 })
  })
  const property = fc.property(inputs, ({ rate, lateMs, streams, steps }) => {
    const clock = new HandClock(lateMs)
    const bucket = new Bucket(rate, clock)
    const all = streams.map((sizes) => {
      let i = 0
      return stream(bucket, clock, () => Math.ceil(((sizes[i++ % sizes.length] as number) * rate) / 1000))
    })
    for (const ms of steps) clock.advance(ms)
    const flowed = all.flatMap((it) => it.flowed).sort((a, b) => a.atMs - b.atMs)
    const largest = Math.max(...flowed.map(({ bytes }) => bytes))
    for (const [i, from] of flowed.entries()) {
      let bytes = 0
      for (const { atMs, bytes: size } of flowed.slice(i)) {
        bytes += size
        const limit = (rate * (atMs - from.atMs)) / 1000 + burstOf(rate) + largest
        must(bytes <= limit + 1, `${bytes} bytes in ${atMs - from.atMs} ms at ${rate}, at most ${limit}`)
      }
    }
  })
  await holds(t, property)
})

test('at least half of the allowed rate flows', async (t) => {
  const property = fc.property(
    fc.integer({ min: 1000, max: 10_000_000 }),
    fc.integer({ min: 10, max: 3000 }),
    (rate, sizeMs) => {
      const clock = new HandClock()
      const size = Math.ceil((rate * sizeMs) / 1000)
      const { total } = stream(new Bucket(rate, clock), clock, () => size)
      for (let i = 0; i < 100; i++) clock.advance(100)
      // Each wait is a millisecond or two longer, to make up for Node's timers.
      must(total() >= rate * 10 * 0.5, `${total()} bytes in 10 s at ${rate}`)
    }
  )
  await holds(t, property)
})

test('streams that share a bucket take turns', (t) => {
  const clock = new HandClock()
  const bucket = new Bucket(100_000, clock)
  const streams = Array.from({ length: 5 }, () => stream(bucket, clock, () => 5000))
  clock.advance(60_000)
  const totals = streams.map(({ total }) => total())
  // The first one alone takes the burst.
  t.ok(Math.max(...totals) - Math.min(...totals) <= burstOf(100_000) + 2 * 5000, totals.join())
})

test('waiters are served in order, even when the timer is late', (t) => {
  const clock = new HandClock(50)
  const bucket = new Bucket(16_384, clock)
  bucket.take(16_384 + 164, () => {})
  const order: string[] = []
  t.absent(bucket.take(1, () => order.push('first')))
  clock.advance(30)
  t.absent(bucket.take(1, () => order.push('second')))
  clock.advance(100)
  t.alike(order, ['first', 'second'])
})

test('a message of any size flows, and the next waits until the debt is paid', (t) => {
  const clock = new HandClock()
  const bucket = new Bucket(1_000_000, clock)
  t.ok(bucket.take(16_000_000, () => t.fail('not called')))
  let atMs = 0
  const go = (): void => {
    atMs = clock.now()
  }
  t.absent(bucket.take(1, go))
  clock.advance(15_000)
  t.is(atMs, 0)
  clock.advance(2000)
  t.ok(atMs > 15_800 && atMs < 16_100, `paid after ${atMs} ms`)
})

test('a new rate applies at once to waiters', (t) => {
  const clock = new HandClock()
  const bucket = new Bucket(1000, clock)
  bucket.take(1_016_384, () => {})
  let atMs = 0
  const onFlow = (): void => {
    atMs = clock.now()
  }
  bucket.take(1, onFlow)
  clock.advance(100_000)
  t.is(atMs, 0)
  bucket.rate = 100_000
  clock.advance(9100)
  t.ok(atMs > 108_900, `went after ${atMs} ms`)
  bucket.take(1_000_000, () => {})
  let went = 0
  const go = (): void => void went++
  bucket.take(1, go)
  bucket.rate = Number.POSITIVE_INFINITY
  t.is(went, 1, 'lifting the limit serves waiters at once')
  t.ok(bucket.take(1e12, go), 'no take waits without a limit')
  bucket.rate = 1000
  t.ok(bucket.take(1, go), 'unlimited takes leave no debt')
  t.is(clock.timers, 0)
})

test('a cancelled wait takes nothing and delays nobody', (t) => {
  const clock = new HandClock()
  const bucket = new Bucket(16_384, clock)
  bucket.take(2 * 16_384, () => {})
  const cancelled = (): void => t.fail('a cancelled wait was served')
  const times: number[] = []
  bucket.take(1_000_000, cancelled)
  bucket.take(1, () => times.push(clock.now()))
  bucket.cancel(cancelled)
  clock.advance(1100)
  t.is(times.length, 1)
  bucket.take(1_000_000, () => {})
  bucket.take(1_000_000, cancelled)
  bucket.cancel(cancelled)
  t.is(clock.timers, 0, 'no timer runs without waiters')
})

test('every waiter gets a turn about once a second, at any rate', (t) => {
  for (const [rate, streams] of [
    [1000, 1],
    [1000, 8],
    [65_536, 20],
    [10_000_000, 64]
  ] as const) {
    const clock = new HandClock()
    const bucket = new Bucket(rate, clock)
    const all = Array.from({ length: streams }, () => stream(bucket, clock, () => Math.min(bucket.turnBytes, 1e6)))
    clock.advance(60_000)
    for (const { flowed } of all) {
      const late = flowed.filter(({ atMs }) => atMs > 10_000).map(({ atMs }) => atMs)
      const gaps = late.slice(1).map((atMs, i) => atMs - (late[i] as number))
      t.ok(Math.max(...gaps) < 2000, `at most ${Math.max(...gaps)} ms at ${rate} with ${streams}`)
    }
  }
})

test('a rate must be positive', async (t) => {
  for (const rate of [0, -1, Number.NaN]) await t.exception.all(() => new Bucket(rate))
})
