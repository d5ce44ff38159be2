import { type Assert, test } from 'brittle'
import type Hypercore from 'hypercore'
import { type CoreCheckOptions, type CoreFinding, checkCore } from '../../../src/log/check/check-core.ts'
import { internalsOf } from '../../../src/log/hypercore/internals.ts'
import { leafHash } from '../../../src/log/hypercore/leaf-hash.ts'
import { encodePlaced } from '../../../src/log/hypercore/stored-block.ts'
import { bytesOf } from '../../support/bytes.ts'
import { failureOf } from '../../support/failure.ts'
import { openStore } from '../../support/log.ts'

const { signal } = new AbortController()
const count = 100
const blocks = Array.from({ length: count }, (_, i) => bytesOf(i === 50 ? 70_000 : 100, i + 1))

async function openCore(t: Assert): Promise<Hypercore> {
  const core = await (await openStore(t)).named('content')
  await core.append(blocks)
  return core
}

async function findings(core: Hypercore, options: Partial<CoreCheckOptions> = {}): Promise<CoreFinding[]> {
  const found: CoreFinding[] = []
  const all = { sample: 1, random: Math.random, signal, ...options }
  for await (const finding of checkCore('content', core, all)) found.push(finding)
  return found
}

const faultsOf = (found: readonly CoreFinding[]) => found.filter(({ type }) => type !== 'read')

function read(found: readonly CoreFinding[]): { blocks: number; bytes: number } {
  const sum = { blocks: 0, bytes: 0 }
  for (const finding of found) {
    if (finding.type !== 'read') continue
    sum.blocks += finding.blocks
    sum.bytes += finding.bytes
  }
  return sum
}

/** Writes into the store past Hypercore. */
async function damage(core: Hypercore, write: (tx: ReturnType<Storage['write']>) => void): Promise<void> {
  const tx = internalsOf(core).core.state.storage.write()
  write(tx)
  await tx.flush()
}
type Storage = ReturnType<typeof internalsOf>['core']['state']['storage']

test('a check of a sound core reads every block and finds nothing', async (t) => {
  const core = await openCore(t)
  let hashed = 0
  const hash = async (block: Uint8Array) => {
    hashed++
    return leafHash(block)
  }
  const found = await findings(core, { hasher: { hash } })
  t.alike(faultsOf(found), [])
  t.alike(read(found), { blocks: count, bytes: 99 * 100 + 70_000 })
  t.is(hashed, 1, 'the large block is hashed elsewhere')
  await core.clear(3)
  t.is(read(await findings(core)).blocks, count - 1, 'missing blocks are no fault')
})

test('a sample reads a share of the blocks', async (t) => {
  const core = await openCore(t)
  let next = 0
  const found = await findings(core, { sample: 0.25, random: () => (next++ % 4) / 4 })
  t.alike(faultsOf(found), [])
  t.is(read(found).blocks, count / 4)
})

test('blocks that differ from those signed are found by their indexes', async (t) => {
  const core = await openCore(t)
  await damage(core, (tx) => {
    tx.putBlock(7, bytesOf(100, 1000))
    tx.putBlock(8, bytesOf(99, 9))
    tx.putBlock(9, encodePlaced(100))
    tx.putBlock(10, encodePlaced(101))
  })
  const faults = faultsOf(await findings(core))
  t.alike(
    faults.map((fault) => fault.type === 'block' && [fault.core, fault.block]),
    [
      ['content', 7],
      ['content', 8],
      ['content', 10]
    ],
    'a mark of a block in a file has the length alone'
  )
})

test('nodes that do not fit together are damage of the store', async (t) => {
  const core = await openCore(t)
  await damage(core, (tx) => tx.putTreeNode({ index: 21, size: 200, hash: Buffer.alloc(32, 1) }))
  const faults = faultsOf(await findings(core))
  t.ok(faults.length >= 1)
  t.ok(faults.every((fault) => fault.type === 'store' && /node (21|19|23)/.test(fault.message)))
})

test('a root that differs from the signed one is damage of the store', async (t) => {
  const core = await openCore(t)
  const [root] = internalsOf(core).core.state.roots
  if (root === undefined) throw new Error('No root')
  await damage(core, (tx) => tx.putTreeNode({ ...root, hash: Buffer.alloc(32, 1) }))
  const faults = faultsOf(await findings(core))
  t.ok(faults.some((fault) => fault.type === 'store' && fault.message.startsWith(`Root ${root.index} `)))
})

test('a check ends when its signal aborts', async (t) => {
  const core = await openCore(t)
  t.is(await failureOf(() => findings(core, { signal: AbortSignal.abort('enough') })), 'enough')
})
