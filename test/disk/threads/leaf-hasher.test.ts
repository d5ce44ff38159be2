import { test } from 'brittle'
import { compiled, hashLeaf } from '../../../src/disk/threads/leaf-hasher.ts'
import { leafHash } from '../../../src/log/hypercore/leaf-hash.ts'
import { bytesOf } from '../../support/bytes.ts'

test('a block has the hash that the log gives it, whoever makes it', async (t) => {
  const sizes = [0, 1, 65_535, 65_536, 65_537, 524_288, 1_000_003, 2_097_152]
  const same = () => sizes.every((size) => leafHash(bytesOf(size)).equals(hashLeaf(bytesOf(size))))
  t.ok(same())
  await compiled
  t.ok(same())
  const shared = new Uint8Array(new SharedArrayBuffer(100_000), 7, 90_000)
  shared.set(bytesOf(90_000))
  t.ok(leafHash(bytesOf(90_000)).equals(hashLeaf(shared)), 'in memory that threads share, too')
})
