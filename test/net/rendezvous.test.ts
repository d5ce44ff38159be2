import { test } from 'brittle'
import fc from 'fast-check'
import { proofOf, rendezvousOf } from '../../src/net/rendezvous.ts'
import { holds, must } from '../support/property.ts'

const secret = Buffer.alloc(32, 7)
const hash = Buffer.alloc(64, 9)
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

// Peers of different versions find each other by these values, so they must never change.
test('topics, ids and proofs stay the same', (t) => {
  const { topic, id } = rendezvousOf(secret)
  t.is(topic.toString('hex'), '093158d044f52ae106a7909702ad5e47893ad2350343ad79f6ef8d424e6c1da1')
  t.is(id, '65e79d8ff924a9aef2e7560c7a36d9b0')
  t.is(
    proofOf(secret, hash, 'initiator').toString('hex'),
    '2032135b02851bfe5af281a276753c979a2969976fb52cad61f60e69f6790cbf'
  )
  t.is(
    proofOf(secret, hash, 'responder').toString('hex'),
    '1a6027bb6ce3f0ffbe949f4161aff1b4f2bf9a36a2de33101a91a48336cc0184'
  )
})

test('different secrets have different topics and ids, and no hash contains another', async (t) => {
  const inputs = fc.property(bytes(32), bytes(32), (a, b) => {
    const [one, other] = [rendezvousOf(a), rendezvousOf(b)]
    must(one.topic.length === 32 && /^[0-9a-f]{32}$/.test(one.id), 'a wrong size')
    must(!one.topic.toString('hex').includes(one.id), 'the topic contains the id')
    must(!one.topic.equals(a), 'the topic is the secret')
    if (Buffer.compare(a, b) !== 0) must(!one.topic.equals(other.topic) && one.id !== other.id, 'two secrets meet')
  })
  await holds(t, inputs)
})

test('a proof is valid for one secret, one stream and one side', async (t) => {
  const inputs = fc.property(bytes(32), bytes(64), fc.nat(31), fc.nat(63), fc.nat(7), (key, stream, i, j, bit) => {
    const [otherKey, otherStream] = [Buffer.from(key), Buffer.from(stream)]
    otherKey[i] = (otherKey[i] ?? 0) ^ (1 << bit)
    otherStream[j] = (otherStream[j] ?? 0) ^ (1 << bit)
    const proof = proofOf(key, stream, 'initiator')
    must(proof.length === 32 && proof.equals(proofOf(key, stream, 'initiator')), 'the proof changes')
    const others = [
      proofOf(key, stream, 'responder'),
      proofOf(otherKey, stream, 'initiator'),
      proofOf(key, otherStream, 'initiator')
    ]
    must(
      others.every((other) => !other.equals(proof)),
      'the proof is valid elsewhere'
    )
  })
  await holds(t, inputs)
})
