import type Hypercore from 'hypercore'
import { internalsOf } from './internals.ts'

/** Whether a block is here; false for a core that isn't open. */
export function holdsBlock(core: Hypercore, block: number): boolean {
  const { opened, core: shared } = internalsOf(core)
  return opened && shared.bitfield.get(block)
}

/** The first block from `from` on that is here; -1 if there is none. */
export function nextHeld(core: Hypercore, from: number): number {
  return internalsOf(core).core.bitfield.findFirst(true, from)
}

/** The blocks before `end` that are here at the time the iteration gets to them, in ascending order. */
export function* heldBlocks(core: Hypercore, end = Number.POSITIVE_INFINITY): Generator<number> {
  for (let at = nextHeld(core, 0); at >= 0 && at < end; at = nextHeld(core, at + 1)) yield at
}

/** Whether a core, or this session of it, is being closed or is closed. */
export function isClosing(core: Hypercore): boolean {
  return internalsOf(core).closing !== null
}
