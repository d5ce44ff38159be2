import type Hypercore from 'hypercore'
import type { CoreInternals, PeerInternals } from 'hypercore'
import type CorestoreStorage from 'hypercore-storage'
import type { StorageInternals } from 'hypercore-storage'

// The only casts to the private members that src/types/hypercore-private.d.ts declares. Only this room imports them.

export function internalsOf(core: Hypercore): CoreInternals {
  return core as unknown as CoreInternals
}

export function storageInternalsOf(storage: CorestoreStorage): StorageInternals {
  return storage as unknown as StorageInternals
}

/** Calls `listener` with each peer that connects from now on. */
export function onPeer(core: Hypercore, listener: (peer: PeerInternals) => void): void {
  core.on('peer-add', listener)
}
