import { EventEmitter } from 'node:events'
import { test } from 'brittle'
import type { Link } from '../../src/net/link.ts'
import { StaticAddress } from '../../src/net/static-peers.ts'
import { until } from '../support/until.ts'

/** The part of a link that `StaticAddress` uses. */
class DialledLink {
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

/** A static address, with counters of its dials and reports. */
function openStatic(answer: () => Promise<DialledLink | undefined>, key?: Uint8Array) {
  const scene = { dials: 0, strangers: [] as string[], connected: new Set<string>() }
  const address = new StaticAddress(
    { host: '10.0.0.1', port: 1, key },
    {
      dial: async () => {
        scene.dials++
        return (await answer()) as unknown as Link | undefined
      },
      isConnected: (each) => scene.connected.has(each),
      onStranger: (shown) => scene.strangers.push(shown)
    }
  )
  /** Gives it the chance to dial, `ms` from now. */
  const dialAfter = (ms: number) => address.dialIfDue(performance.now() + ms)
  return { address, scene, dialAfter }
}

const settled = () => new Promise(setImmediate)

test('a static address has one dial at a time, and the next after a pause', async (t) => {
  const { scene, dialAfter } = openStatic(async () => {
    throw new Error('Nobody answers')
  })
  dialAfter(0)
  dialAfter(0)
  t.is(scene.dials, 1)
  await settled()
  dialAfter(1000)
  t.is(scene.dials, 1, 'not before the pause is over')
  dialAfter(2001)
  t.is(scene.dials, 2)
  t.alike(scene.strangers, [])
})

test('a static address is not dialled while its peer is connected, by any path', async (t) => {
  const link = new DialledLink()
  const { address, scene, dialAfter } = openStatic(async () => link)
  t.absent(address.isAnswered)
  dialAfter(0)
  await settled()
  scene.connected.add('aa')
  t.ok(address.isAnswered)
  link.close({ isProven: true })
  dialAfter(60_000)
  t.is(scene.dials, 1)
  scene.connected.clear()
  dialAfter(60_000)
  await until(() => scene.dials === 2, { what: 'another dial' })
})

test('a stranger is reported once, and dialled less often', async (t) => {
  let link = new DialledLink()
  const { address, scene, dialAfter } = openStatic(async () => link)
  dialAfter(0)
  await settled()
  link.close({ isProven: false, reason: 'not-proven' })
  t.ok(address.isStranger)
  dialAfter(14_000)
  t.is(scene.dials, 1)
  link = new DialledLink()
  dialAfter(15_001)
  await settled()
  t.is(scene.dials, 2)
  link.close({ isProven: false, reason: 'not-proven' })
  t.alike(scene.strangers, ['10.0.0.1:1'])
})

test('a static address stops counting as a stranger when its peer answers', async () => {
  const links = [new DialledLink(), new DialledLink()]
  const { address, dialAfter } = openStatic(async () => {
    const link = links.shift()
    if (link === undefined) throw new Error('Nobody answers')
    setImmediate(() => link.close({ isProven: links.length === 0 }))
    return link
  })
  dialAfter(0)
  await until(() => address.isStranger, { what: 'a stranger' })
  dialAfter(20_000)
  await until(() => !address.isStranger, { what: 'a peer' })
})

test('a static address with a key is first dialled after a pause', async (t) => {
  const { address, scene, dialAfter } = openStatic(async () => undefined, Buffer.alloc(32, 1))
  t.is(address.key, '01'.repeat(32))
  dialAfter(0)
  t.is(scene.dials, 0)
  dialAfter(1000)
  t.is(scene.dials, 1)
  await settled()
  scene.connected.add('01'.repeat(32))
  t.ok(address.isAnswered)
  dialAfter(60_000)
  t.is(scene.dials, 1)
})
