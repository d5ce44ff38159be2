import { type Assert, test } from 'brittle'
import { BlockPlaces, noFiles } from '../../../src/log/hypercore/block-places.ts'
import { hashAhead, type LeafHasher } from '../../../src/log/hypercore/hash-ahead.ts'
import { leafHash } from '../../../src/log/hypercore/leaf-hash.ts'
import { bytesOf } from '../../support/bytes.ts'
import { link, openStore } from '../../support/log.ts'

const large = bytesOf(100_000, 1)
const small = bytesOf(1000, 2)
const another = bytesOf(70_000, 3)

async function openReader(t: Assert, hasher: LeafHasher) {
  const near = await openStore(t)
  const writer = await near.named('content')
  await writer.append([large, small, another])
  const far = await openStore(t)
  const reader = await far.keyed(writer.key)
  const places = new BlockPlaces(reader, noFiles)
  hashAhead(reader, places, hasher)
  await link(t, near, far)
  return { reader, places }
}

test('large blocks are hashed by the hasher, small ones are not', async (t) => {
  const hashed: [length: number, isOfMany: boolean][] = []
  const hash = async (block: Uint8Array, isOfMany: boolean) => {
    hashed.push([block.length, isOfMany])
    return leafHash(block)
  }
  const { reader, places } = await openReader(t, { hash })
  t.alike(await reader.get(1), small)
  t.alike(hashed, [])
  t.alike(await reader.get(0), large)
  places.expect(2)
  t.alike(await reader.get(2), another)
  t.alike(hashed, [
    [large.length, false],
    [another.length, true]
  ])
})

test("Hypercore verifies by the hasher's hash", async (t) => {
  const { reader } = await openReader(t, { hash: async () => Buffer.alloc(32) })
  const refused = new Promise((resolve) => reader.once('verification-error', resolve))
  const reading = reader.get(0, { timeout: 600_000 }).catch(() => undefined)
  t.ok((await refused) instanceof Error, 'a wrong hash is no block of the core')
  await reader.close()
  await reading
})

test('a hasher that fails is done without', async (t) => {
  const { reader } = await openReader(t, { hash: () => Promise.reject(new Error('no worker')) })
  t.alike(await reader.get(0), large)
})
