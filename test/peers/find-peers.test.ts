import { test } from 'brittle'
import { keyPair } from 'hypercore-crypto'
import { printKey } from '../../src/log/hypercore/store.ts'
import { findPeers } from '../../src/peers/find-peers.ts'
import { codeOf } from '../support/failure.ts'

const machine = keyPair()

test('without a network nobody is found, and its state is told', async (t) => {
  const key = printKey(Buffer.alloc(32, 3))
  const { peers, status } = await findPeers({ key, machine, bootstrap: [], lan: false, ms: 1 })
  t.alike(peers, [])
  t.is(status.dht, 'off')
  t.is(status.lan, 'off')
})

test('a key that is none is refused', async (t) => {
  t.is(await codeOf(() => findPeers({ key: 'none', machine, bootstrap: [], lan: false, ms: 1 })), 'BAD_KEY')
})
