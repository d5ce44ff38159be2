import { join } from 'node:path'
import type { Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import type { PeerInternals } from 'hypercore'
import ids from 'hypercore-id-encoding'
import CorestoreStorage from 'hypercore-storage'
import { internalsOf } from '../../src/log/hypercore/internals.ts'
import type { Network } from '../../src/net/network.ts'
import { joinAsPeer } from './network.ts'
import { until } from './until.ts'

/** The members of Hypercore's replication peer that a hostile peer abuses. */
export interface BentPeer extends PeerInternals {
  readonly wireSync: { send(message: object): void }
  readonly wireRequest: { send(message: object): void }
  readonly wireRange: { send(message: object): void }
  readonly wireBitfield: { send(message: object): void }
  readonly wireWant: { send(message: object): void }
  readonly wireData: { send(message: object): void }
}

/** A peer with the key and the log, which does whatever the test wants over real connections. */
export class HostilePeer {
  readonly entries: Hypercore
  readonly content: Hypercore
  readonly network: Network

  private constructor(entries: Hypercore, content: Hypercore, network: Network) {
    this.entries = entries
    this.content = content
    this.network = network
  }

  /** Downloads the whole log honestly, so that others know that it has it. */
  static async open(
    t: Assert,
    bootstrap: readonly { readonly host: string; readonly port: number }[],
    key: string
  ): Promise<HostilePeer> {
    const store = new Corestore(new CorestoreStorage(join(await t.tmp(), 'store')))
    await store.ready()
    const entries = store.get({ key: ids.decode(key) })
    await entries.ready()
    const network = await joinAsPeer(t, {
      secret: entries.key,
      keyPair: await store.createKeyPair('peer'),
      bootstrap,
      onCarrier: (stream) => void store.replicate(stream)
    })
    t.teardown(() => store.close())
    const bee = new Hyperbee(entries, { extension: false })
    const header = await bee.getHeader()
    const content = store.get({ key: header.metadata?.contentFeed as Buffer })
    await content.ready()
    for (const core of [entries, content]) {
      core.download({ start: 0, end: -1 })
      await until(() => core.length > 0 && core.contiguousLength === core.length, {
        what: 'the log at the hostile peer'
      })
    }
    return new HostilePeer(entries, content, network)
  }

  /** Calls `bend` with every present and future peer of a core. */
  bend(core: Hypercore, bend: (peer: BentPeer) => void): void {
    for (const peer of internalsOf(core).peers) bend(peer as BentPeer)
    core.on('peer-add', bend)
  }
}
