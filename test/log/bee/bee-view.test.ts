import { type Assert, test } from 'brittle'
import fc from 'fast-check'
import Hyperbee from 'hyperbee'
import type Hypercore from 'hypercore'
import { BeeView } from '../../../src/log/bee/bee-view.ts'
import { failureOf } from '../../support/failure.ts'
import { beeBlock } from '../../support/hostile-writer.ts'
import { openStore } from '../../support/log.ts'
import { fuzzRuns, holds, must } from '../../support/property.ts'

const value = Buffer.from('value')
type Levels = Parameters<typeof beeBlock>[2]

let cores = 0
/** A core with a bee in it, that holds nothing yet. */
async function openBee(store: Awaited<ReturnType<typeof openStore>>) {
  const core = await store.named(`core ${cores++}`)
  const bee = new Hyperbee(core, { keyEncoding: 'binary', valueEncoding: 'binary', extension: false })
  await bee.ready()
  return { core, bee }
}

async function keysOf(core: Hypercore, length = core.length): Promise<string[]> {
  const view = new BeeView(core, length)
  const keys: string[] = []
  try {
    for await (const { key } of view.pairs()) keys.push(key.toString())
  } finally {
    await view.close()
  }
  return keys
}

test('a view holds the pairs of the bee at every length, and the changes since', async (t) => {
  const store = await openStore(t)
  const edit = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.boolean())
  const batches = fc.array(fc.array(edit, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 6 })
  await holds(
    t,
    fc.asyncProperty(batches, async (edits) => {
      const { core, bee } = await openBee(store)
      const states: { length: number; held: Map<string, string> }[] = []
      const held = new Map<string, string>()
      for (const [round, batch] of edits.entries()) {
        const writing = bee.batch()
        for (const [number, isPut] of batch) {
          const key = `key ${number}`
          if (isPut) held.set(key, `${round}`)
          else held.delete(key)
          if (isPut) await writing.put(Buffer.from(key), Buffer.from(`${round}`))
          else await writing.del(Buffer.from(key))
        }
        await writing.flush()
        states.push({ length: core.length, held: new Map(held) })
      }
      for (const state of states) await mustHold(core, state)
      const [first, last] = [states[0], states.at(-1)]
      if (first && last) await mustLead(core, first, last)
      await core.close()
    }),
    { numRuns: 40 }
  )
})

interface State {
  readonly length: number
  readonly held: ReadonlyMap<string, string>
}

async function mustHold(core: Hypercore, { length, held }: State): Promise<void> {
  const view = new BeeView(core, length)
  const found: string[] = []
  for await (const pair of view.pairs()) found.push(`${pair.key}=${pair.value}`)
  must(JSON.stringify(found) === JSON.stringify([...held].map(([key, at]) => `${key}=${at}`).sort(inBytes)), 'pairs')
  for (let i = 0; i <= 41; i++) {
    const pair = await view.get(Buffer.from(`key ${i}`))
    must(pair?.value?.toString() === held.get(`key ${i}`), `get ${i}`)
  }
  await view.close()
}

/** The reported changes turn one state into the other. */
async function mustLead(core: Hypercore, from: State, to: State): Promise<void> {
  const view = new BeeView(core, to.length)
  const made = new Map(from.held)
  for await (const [key, pair] of view.since(from.length)) {
    if (pair === undefined) made.delete(key.toString())
    else made.set(key.toString(), String(pair.value))
  }
  await view.close()
  must(JSON.stringify([...made].sort()) === JSON.stringify([...to.held].sort()), 'changes')
}

function inBytes(a: string, b: string): number {
  const [left, right] = [a, b].map((it) => Buffer.from(it.slice(0, it.indexOf('=')))) as [Buffer, Buffer]
  return Buffer.compare(left, right)
}

/** Blocks 1 and 2, with the keys a and b; then one with the key z, and the given nodes. */
async function openBroken(t: Assert, levels: (next: number) => Levels): Promise<Hypercore> {
  const { core, bee } = await openBee(await openStore(t))
  const batch = bee.batch()
  await batch.put(Buffer.from('a'), value)
  await batch.put(Buffer.from('b'), value)
  await batch.flush()
  await core.append(beeBlock('z', value, levels(core.length)))
  return core
}

const broken: ReadonlyArray<[name: string, says: string, levels: (next: number) => Levels]> = [
  ['a node that is its own child', 'leads to itself', (next) => [{ keys: [next], children: [next, 0, next, 0] }]],
  [
    'nodes that are one another’s child',
    'leads to itself',
    (next) => [
      { keys: [next], children: [next, 1, next, 1] },
      { keys: [next], children: [next, 0, next, 0] }
    ]
  ],
  ['nodes without keys', 'without keys', (next) => [{ keys: [], children: [next, 1] }, { keys: [] }]],
  ['a child without keys', 'without keys', (next) => [{ keys: [next], children: [next, 1, next, 1] }, { keys: [] }]],
  ['too few children', 'without children', () => [{ keys: [1, 2], children: [1, 0, 1, 0] }]],
  ['a node that names a later block', 'names a later one', (next) => [{ keys: [1, next + 5] }]],
  ['a node that names a block far beyond numbers', 'names a later one', () => [{ keys: [1, 2 ** 60] }]],
  ['a node that names the header', 'names a later one', () => [{ keys: [0] }]],
  ['a child that is not there', 'not there', (next) => [{ keys: [next], children: [2, 9, 2, 9] }]],
  ['keys out of order', 'keys out of order', (next) => [{ keys: [1, next, 2] }]],
  ['a key twice', 'keys out of order', (next) => [{ keys: [1, 2, 2, next] }]],
  ['a million nodes', 'no node', () => Array.from({ length: 1_000_000 }, () => ({ keys: [], children: [] }))]
]
for (const [name, message, levels] of broken) {
  test(`a view refuses ${name}`, async (t) => {
    const error = await failureOf(async () => keysOf(await openBroken(t, levels)))
    t.ok(error instanceof RangeError && error.message.includes(message), String(error))
  })
}

test('a lookup takes no more steps than there are nodes', async (t) => {
  const core = await openBroken(t, (next) => [{ keys: [next], children: [next, 0, next, 0] }])
  const view = new BeeView(core, core.length)
  t.ok((await failureOf(() => view.get(Buffer.from('m')))) instanceof RangeError)
  await view.close()
})

test('a walk ends, and throws nothing but RangeError, on any nodes', async (t) => {
  const store = await openStore(t)
  const number = fc.oneof({ weight: 9, arbitrary: fc.nat(6) }, { weight: 1, arbitrary: fc.nat() })
  const level = fc.record({
    keys: fc.array(number, { maxLength: 4 }),
    children: fc.array(number, { maxLength: 10 })
  })
  const block = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.array(level, { maxLength: 4 }).map((levels) => beeBlock(`${levels.length}`, value, levels))
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)) }
  )
  await holds(
    t,
    fc.asyncProperty(fc.array(block, { minLength: 2, maxLength: 6 }), async (blocks) => {
      const core = await store.named(`core ${cores++}`)
      await core.append(blocks)
      const view = new BeeView(core, core.length)
      const reads = [
        async () => {
          for await (const _ of view.pairs());
        },
        async () => {
          for await (const _ of view.since(1));
        },
        () => view.get(Buffer.from('2'))
      ]
      for (const read of reads) {
        const error = await read().then(
          () => undefined,
          (reason: unknown) => reason
        )
        must(error === undefined || error instanceof RangeError, String(error))
      }
      await view.close()
      await core.close()
    }),
    { numRuns: Math.min(fuzzRuns(300), 20_000) }
  )
})
