import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'brittle'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, startClone } from '../../support/cli.ts'
import {
  beeBlock,
  directoryRecord,
  type HostileOptions,
  HostileWriter,
  headKey,
  uints
} from '../../support/hostile-writer.ts'
import { matches } from '../../support/says.ts'
import { snapshot } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'

const directory = directoryRecord()

/** Appends a version whose root, the last block, is this node; `next` is its own index. */
function rooted(levels: (next: number) => Parameters<typeof beeBlock>[2]) {
  return async (writer: HostileWriter) => {
    await writer.putWithHead([['a', directory]])
    await writer.entries.append(beeBlock('z', directory, levels(writer.entries.length)))
  }
}

type Case = readonly [
  name: string,
  says: RegExp,
  make: (writer: HostileWriter) => Promise<unknown>,
  options?: HostileOptions
]

const cases: readonly Case[] = [
  ['a version without a head', /without a head/, (writer) => writer.put([['a', directory]])],
  ['an empty head', /head that ends too early/, (writer) => writer.put([[headKey, Buffer.alloc(0)]])],
  ['a head of an unknown format', /head of format 0/, (writer) => writer.put([[headKey, uints(0, 0, 0)]])],
  [
    'a head of garbage',
    /Version 2 of fork 0 of the log is damaged: .*out of range|too early/,
    (writer) => writer.put([[headKey, Buffer.alloc(60, 255)]])
  ],
  [
    'a log that names no content core',
    /where its contents are/,
    async (writer) => writer.putWithHead([['a', directory]]),
    { contentFeed: null }
  ],
  [
    'a log whose content core has a short key',
    /where its contents are/,
    async (writer) => writer.putWithHead([['a', directory]]),
    { contentFeed: Buffer.alloc(31, 1) }
  ],
  [
    'a core that is no Hyperbee',
    /no node of a Hyperbee/,
    async () => {},
    { blocks: [bytesOf(50, 1), bytesOf(50, 2), bytesOf(50, 3)] }
  ],
  ['a core of empty blocks', /damaged/, async () => {}, { blocks: Array.from({ length: 5 }, () => Buffer.alloc(0)) }],
  [
    'a header of garbage',
    /where its contents are/,
    async (writer) => writer.putWithHead([['a', directory]]),
    { blocks: [bytesOf(50)] }
  ],
  [
    'a block that is no node',
    /no node/,
    async (writer) => {
      await writer.putWithHead([['a', directory]])
      await writer.entries.append(bytesOf(500))
    }
  ],
  [
    'a node that is its own child',
    /leads to itself/,
    rooted((next) => [{ keys: [next], children: [next, 0, next, 0] }])
  ],
  [
    'a tree that shares its branches, of a billion leaves',
    /keys out of order/,
    rooted((next) => [
      { keys: [1, 2, next], children: [next, 1, next, 1, next, 1, next, 1] },
      ...Array.from({ length: 20 }, (_, i) => ({
        keys: [1, 2, next],
        children: [next, i + 2, next, i + 2, next, i + 2, next, i + 2]
      })),
      { keys: [1] }
    ])
  ]
]

test('clone --once reports an entirely invalid log and exits', async (t) => {
  const { addresses, text: bootstrap } = await startTestnet(t)
  const around = await t.tmp()
  for (const [i, [name, what, make, options]] of cases.entries()) {
    const writer = await HostileWriter.open(t, addresses, options)
    await make(writer)
    const mirror = join(around, String(i))
    const reader = startClone(t, writer.key, mirror, { bootstrap, args: ['--once'] })
    const status = await reader.exit()
    t.is(status, 15, name)
    matches(t, reader.stderr, what)
    t.absent(/\n\s+at /.test(reader.stderr), 'no stack trace')
    t.alike([...snapshot(mirror).keys()], [])
  }
})

/** Processor time that a command has used, in milliseconds. */
function processorMs({ pid }: Command): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

test('a mirror whose log breaks keeps its files, waits, and resumes when the log is valid again', async (t) => {
  const { addresses, text: bootstrap } = await startTestnet(t)
  const writer = await HostileWriter.open(t, addresses)
  const mirror = join(await t.tmp(), 'mirror')
  await writer.putWithHead([['file', await writer.goodFile('good')]]) // Blocks 1, the head, and 2.
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await reader.event('in-sync')
  const next = writer.entries.length
  await writer.entries.append(beeBlock('z', directory, [{ keys: [next], children: [next, 0, next, 0] }]))
  const { code, message } = await reader.event('error')
  t.is(code, 'DAMAGED')
  matches(t, message, /leads to itself/)

  const beforeMs = processorMs(reader)
  await sleep(1000)
  t.ok(processorMs(reader) - beforeMs < 500, `${processorMs(reader) - beforeMs} ms of work in a second of waiting`)
  t.is(reader.events.filter(({ type }) => type === 'error').length, 1)
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'good')

  const before = reader.events.length
  await writer.entries.append(beeBlock('later', directory, [{ keys: [1, 2, next + 1] }]))
  await reader.event('in-sync', () => true, before)
  t.ok(existsSync(join(mirror, 'later')))
  t.is(readFileSync(join(mirror, 'file'), 'utf8'), 'good')
  await reader.event('notice')
})
