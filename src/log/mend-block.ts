import { setTimeout as sleep } from 'node:timers/promises'
import type Hypercore from 'hypercore'
import { messageOf } from '../errors.ts'

/** The cores of a log. */
export interface LogCores {
  readonly entries: Hypercore
  readonly content: Hypercore | undefined
  readonly hasPeers: () => boolean
  /** Whether a block of the contents lies in a file rather than in the store. */
  readonly isPlaced: (block: number) => Promise<boolean>
}

/** How often it is looked whether a peer has a block. */
const tickMs = 50
/** For a block that a peer says it has. */
const fetchMs = 20_000

const keeping = new WeakSet<object>()

/**
 * Replaces a block that is damaged by a peer's. Nothing is given up before a peer has it.
 *
 * @param signal ends the wait for one
 * @returns why it couldn't be, in words; `undefined` when the block is here now, as it was signed
 */
export async function mendBlock(core: Hypercore, block: number, signal: AbortSignal): Promise<string | undefined> {
  while (!core.peers.some((peer) => peer.remoteOpened && peer._remoteHasBlock(block))) {
    if (signal.aborted) return core.peers.length === 0 ? 'No peer was found' : 'No connected peer has it'
    await sleep(tickMs)
  }
  keepNodes(core)
  try {
    await core.clear(block)
    // Hypercore takes no other block than the one that was signed.
    const bytes = await core.get(block, { timeout: fetchMs })
    return bytes === null ? 'No connected peer has it' : undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** Hypercore gives up with a block the nodes that prove it, and others may need them. */
function keepNodes(core: Hypercore): void {
  const { storage } = core.core.state
  if (keeping.has(storage)) return
  keeping.add(storage)
  const write = storage.write
  storage.write = () => {
    const tx = write.call(storage)
    tx.deleteTreeNode = () => {}
    return tx
  }
}
