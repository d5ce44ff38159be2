import { test } from 'brittle'
import { Claims } from '../../../src/log/hypercore/claims.ts'

const peer = (remoteLength: number, remoteFork = 0, name = 'liar') => ({
  remotePublicKey: Buffer.from(name),
  remoteFork,
  remoteLength
})
const at = (length: number, fork = 0) => ({ fork, length })

test('a peer that claims no more than is here has no more', (t) => {
  const claims = new Claims()
  t.absent(claims.hasMore(peer(5), at(5), 0))
  t.absent(claims.hasMore(peer(9, 0), at(5, 1), 0), 'a longer log of an earlier fork')
  t.ok(claims.hasMore(peer(1, 2), at(5, 1), 0), 'a shorter log of a later fork')
})

test("a claim that nothing follows expires, and further claims don't renew it", (t) => {
  const claims = new Claims()
  t.ok(claims.hasMore(peer(1000), at(5), 0))
  t.ok(claims.hasMore(peer(1000), at(5), 9999))
  t.absent(claims.hasMore(peer(1000), at(5), 10_000))
  t.absent(claims.hasMore(peer(2000), at(5), 10_001), 'more of the same')
  t.absent(claims.hasMore(peer(5), at(5), 10_002))
  t.absent(claims.hasMore(peer(1000), at(5), 10_003), 'taken back and made again')
  t.ok(claims.hasMore(peer(6, 0, 'another'), at(5), 10_004), 'another peer is believed')
})

test('a claim that came true is believed the next time', (t) => {
  const claims = new Claims()
  t.ok(claims.hasMore(peer(6), at(5), 0))
  t.absent(claims.hasMore(peer(6), at(6), 100))
  t.ok(claims.hasMore(peer(7), at(6), 20_000))
  t.ok(claims.hasMore(peer(7), at(6), 29_999))
})

test('the number of remembered peers is bounded', (t) => {
  const claims = new Claims()
  for (let i = 0; i < 2000; i++) claims.hasMore(peer(9, 0, `peer ${i}`), at(5), 0)
  t.absent(claims.hasMore(peer(9, 0, 'peer 1999'), at(5), 10_000))
  t.ok(claims.hasMore(peer(9, 0, 'peer 0'), at(5), 10_000))
})
