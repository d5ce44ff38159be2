import { EventEmitter } from 'node:events'
import { test } from 'brittle'
import type { Link } from '../../src/net/link.ts'
import { StaticAddress } from '../../src/net/static-peers.ts'
import { until } from '../support/until.ts'

/** A link, as far as who has dialled it looks at it. */
class Dialled {
  readonly peer = 'aa'
  readonly stream = new EventEmitter()
  isProven = false
  reason: string | undefined

  close({ isProven, reason }: { readonly isProven: boolean; readonly reason?: string }): void {
    this.isProven = isProven
    this.reason = reason
    this.stream.emit('close')
  }
}

/** An address that was given, who was found there, and what was said of it. */
function openGiven(answer: () => Promise<Dialled | undefined>, key?: Uint8Array) {
  const scene = { dials: 0, strangers: [] as string[], connected: new Set<string>() }
  const given = new StaticAddress(
    { host: '10.0.0.1', port: 1, key },
    {
      dial: async () => {
        scene.dials++
        return (await answer()) as unknown as Link | undefined
      },
      isConnected: (each) => scene.connected.has(each),
      onStranger: (address) => scene.strangers.push(address)
    }
  )
  /** Looks when `ms` have gone by. */
  const lookAfter = (ms: number) => given.dialIfDue(performance.now() + ms)
  return { given, scene, lookAfter }
}

const settled = () => new Promise(setImmediate)

test('an address is dialled once at a time, and again after a while', async (t) => {
  const { scene, lookAfter } = openGiven(async () => {
    throw new Error('Nobody answers')
  })
  lookAfter(0)
  lookAfter(0)
  t.is(scene.dials, 1)
  await settled()
  lookAfter(1000)
  t.is(scene.dials, 1, 'not at once')
  lookAfter(2001)
  t.is(scene.dials, 2)
  t.alike(scene.strangers, [])
})

test('an address whose peer is connected, by whatever way, is not dialled', async (t) => {
  const link = new Dialled()
  const { given, scene, lookAfter } = openGiven(async () => link)
  t.absent(given.isAnswered)
  lookAfter(0)
  await settled()
  scene.connected.add('aa')
  t.ok(given.isAnswered)
  link.close({ isProven: true })
  lookAfter(60_000)
  t.is(scene.dials, 1)
  scene.connected.clear()
  lookAfter(60_000)
  await until(() => scene.dials === 2, { what: 'another dial' })
})

test('a stranger is told of once, and dialled less often', async (t) => {
  let link = new Dialled()
  const { given, scene, lookAfter } = openGiven(async () => link)
  lookAfter(0)
  await settled()
  link.close({ isProven: false, reason: 'not-proven' })
  t.ok(given.isStranger)
  lookAfter(14_000)
  t.is(scene.dials, 1)
  link = new Dialled()
  lookAfter(15_001)
  await settled()
  t.is(scene.dials, 2)
  link.close({ isProven: false, reason: 'not-proven' })
  t.alike(scene.strangers, ['10.0.0.1:1'])
})

test('a stranger who is gone is a stranger no more', async () => {
  const links = [new Dialled(), new Dialled()]
  const { given, lookAfter } = openGiven(async () => {
    const link = links.shift()
    if (link === undefined) throw new Error('Nobody answers')
    setImmediate(() => link.close({ isProven: links.length === 0 }))
    return link
  })
  lookAfter(0)
  await until(() => given.isStranger, { what: 'a stranger' })
  lookAfter(20_000)
  await until(() => !given.isStranger, { what: 'a peer' })
})

test('an address with a key is dialled when the peer of that key was not found at once', async (t) => {
  const { given, scene, lookAfter } = openGiven(async () => undefined, Buffer.alloc(32, 1))
  t.is(given.key, '01'.repeat(32))
  lookAfter(0)
  t.is(scene.dials, 0)
  lookAfter(1000)
  t.is(scene.dials, 1)
  await settled()
  scene.connected.add('01'.repeat(32))
  t.ok(given.isAnswered)
  lookAfter(60_000)
  t.is(scene.dials, 1)
})
