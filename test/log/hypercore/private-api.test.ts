import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import type Hypercore from 'hypercore'
import type { BlockAnswer, DataMessage, PeerInternals, RangeMessage } from 'hypercore'
import { MerkleTree } from 'hypercore/lib/merkle-tree.js'
import crypto from 'hypercore-crypto'
import CorestoreStorage from 'hypercore-storage'
import { beeOf } from '../../../src/log/bee/entries.ts'
import { decodeBeeBlock, decodeBeeNodes, lengthWith } from '../../../src/log/hypercore/bee-messages.ts'
import { internalsOf, onPeer, storageInternalsOf } from '../../../src/log/hypercore/internals.ts'
import { leafHash, setLeafHash } from '../../../src/log/hypercore/leaf-hash.ts'
import { missingNodes } from '../../../src/log/hypercore/missing-nodes.ts'
import { isSigned } from '../../../src/log/hypercore/raw-reads.ts'
import { keepNodes } from '../../../src/log/hypercore/tree-nodes.ts'
import { bytesOf } from '../../support/bytes.ts'
import { link, openStore } from '../../support/log.ts'
import { until } from '../../support/until.ts'

/**
 * The versions whose private members the tests below describe. An upgrade changes package.json and fails here first: read
 * the dependency's changes with src/types/hypercore-private.d.ts beside them, then raise the version here.
 */
const versions: Readonly<Record<string, string>> = {
  corestore: '7.12.5',
  'flat-tree': '1.13.0',
  hyperbee: '2.27.3',
  hypercore: '11.37.1',
  'hypercore-crypto': '3.7.0',
  'hypercore-storage': '3.3.1',
  'rocksdb-native': '3.18.1'
}

const require = createRequire(import.meta.url)

/** A kind is what `typeof` answers, `array`, or `null`; of functions with the number of their parameters. */
type Kinds = Readonly<Record<string, string>>

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'function') return `function of ${value.length}`
  return value === null ? 'null' : typeof value
}

function hasMembers(t: Assert, name: string, of: object | null, expected: Kinds): void {
  const members = Object.keys(expected).map((member) => [member, kindOf(Reflect.get(of ?? {}, member))])
  t.alike(Object.fromEntries(members), expected, name)
}

/** Calls `use` with each call of a method from now on: its arguments, before the method sees them. */
function watchCalls(of: object, method: string, use: (...args: unknown[]) => void): void {
  const original = Reflect.get(of, method) as (...args: unknown[]) => unknown
  Reflect.set(of, method, (...args: unknown[]) => {
    use(...args)
    return original.apply(of, args)
  })
}

/** Two stores that replicate a core of 64 blocks, with the peer that the reader sees and the one that the writer sees. */
async function replicate(t: Assert) {
  const [near, far] = [await openStore(t), await openStore(t)]
  const writer = await near.named('content')
  await writer.append(Array.from({ length: 64 }, (_, i) => bytesOf(100, i + 1)))
  const reader = await far.keyed(writer.key)
  const peerOf = (core: Hypercore) => new Promise<PeerInternals>((resolve) => onPeer(core, resolve))
  const peers = Promise.all([peerOf(writer), peerOf(reader)])
  const unlink = await link(t, near, far)
  const [ofWriter, ofReader] = await peers
  return { writer, reader, ofWriter, ofReader, unlink }
}

test('the versions are those whose private members these tests describe', (t) => {
  const root = new URL('../../../../', import.meta.url)
  const read = (path: string) => JSON.parse(readFileSync(new URL(path, root), 'utf8'))
  const { dependencies } = read('package.json') as { readonly dependencies: Record<string, string> }
  const pinned = Object.keys(versions).map((name) => [name, dependencies[name]])
  t.alike(Object.fromEntries(pinned), versions, 'package.json')
  for (const [name, version] of Object.entries(versions)) {
    const { version: installed } = read(`node_modules/${name}/package.json`) as { readonly version: string }
    t.is(installed, version, `node_modules/${name}`)
  }
})

test('a core has the private members that are declared', async (t) => {
  const store = await openStore(t)
  const core = await store.named('content')
  await core.append([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')])
  const internals = internalsOf(core)
  hasMembers(t, 'core', internals, {
    opened: 'boolean',
    closing: 'null',
    state: 'object',
    peers: 'array',
    core: 'object',
    replicator: 'object',
    applyProof: 'function of 2'
  })
  hasMembers(t, 'replicator', internals.replicator, {
    setInflightRange: 'function of 2',
    _updateFork: 'function of 1',
    updatePeer: 'function of 1',
    _onwant: 'function of 4',
    hotswaps: 'object'
  })
  hasMembers(t, 'hotswaps', internals.replicator.hotswaps, { pick: 'function of 1' })
  const { bitfield, header, state, verifier } = internals.core
  hasMembers(t, 'bitfield', bitfield, { findFirst: 'function of 2', get: 'function of 1' })
  hasMembers(t, 'state', state, { storage: 'object', roots: 'array', createTreeBatch: 'function of 0' })
  hasMembers(t, 'root', state.roots[0] ?? null, { index: 'number', size: 'number', hash: 'object' })
  hasMembers(t, 'verifier', verifier, { verify: 'function of 2' })
  t.is(header.tree.signature?.length !== undefined, true, 'the signature is bytes')
  t.ok(isSigned(core), 'verifier, signature and tree batch fit together')
  t.is(internals.state?.storage, state.storage, 'a session reads from the storage of its core')
  await core.clear(1)
  t.alike([bitfield.get(0), bitfield.get(1)], [true, false])
  t.alike([bitfield.findFirst(true, 1), bitfield.findFirst(false, 0), bitfield.findFirst(true, 3)], [2, 1, -1])
  const closing = core.close()
  t.ok(internals.closing instanceof Promise)
  await closing
})

test('a storage reads and writes by the private members that are declared', async (t) => {
  const store = await openStore(t)
  const core = await store.named('content')
  await core.append([Buffer.from('a'), Buffer.from('bc')])
  const { storage } = internalsOf(core).core.state
  hasMembers(t, 'storage', storage, { read: 'function of 0', write: 'function of 0', snapshot: 'function of 0' })
  t.is(Object.hasOwn(storage, 'read'), false, 'read comes from the prototype, where the raw one stays')
  const rx = storage.read()
  hasMembers(t, 'read', rx, {
    getBlock: 'function of 1',
    getTreeNode: 'function of 1',
    getBitfieldPage: 'function of 1',
    tryFlush: 'function of 0',
    destroy: 'function of 0',
    read: 'object'
  })
  t.is(rx.read._operations.length, 0, 'nothing is to be read yet')
  const reading = Promise.all([rx.getBlock(1), rx.getTreeNode(2), rx.getBlock(7)])
  t.is(rx.read._operations.length, 3, 'and then as much as was asked for')
  rx.tryFlush()
  const [block, leaf, missing] = await reading
  t.alike(
    [block && Buffer.from(block).toString(), leaf?.size, leaf?.hash, missing],
    ['bc', 2, leafHash(Buffer.from('bc')), null]
  )
  const tx = storage.write()
  hasMembers(t, 'write', tx, {
    putBlock: 'function of 2',
    putTreeNode: 'function of 1',
    deleteTreeNode: 'function of 1',
    deleteTreeNodeRange: 'function of 2',
    flush: 'function of 0'
  })
  const seen: unknown[] = []
  const { write } = storage
  storage.write = () => {
    const each = write.call(storage)
    for (const method of ['putBlock', 'putTreeNode', 'deleteTreeNode', 'deleteTreeNodeRange', 'flush'])
      watchCalls(each, method, () => seen.push(method))
    return each
  }
  await core.append(Buffer.from('d'))
  for (const method of ['putBlock', 'putTreeNode', 'flush']) t.ok(seen.includes(method), `append calls ${method}`)
  await core.truncate(2, { fork: 1 })
  t.ok(seen.includes('deleteTreeNodeRange'), 'truncate calls deleteTreeNodeRange')
  seen.length = 0
  await core.clear(1)
  t.ok(seen.includes('deleteTreeNode'), 'clear calls deleteTreeNode')
})

test('a core takes a block by applyProof', async (t) => {
  const store = await openStore(t)
  const core = await store.named('content')
  await core.append([Buffer.from('a'), Buffer.from('b')])
  keepNodes(core)
  await core.clear(1)
  t.is(await core.has(1), false)
  const value = Buffer.from('b')
  const block = { index: 1, value, nodes: [] }
  await internalsOf(core).applyProof({ fork: 0, block, hash: null, seek: null, upgrade: null, manifest: null })
  t.alike(await core.get(1, { wait: false }), value)
})

test('a peer has the private members that are declared', async (t) => {
  const { writer, reader, ofReader, ofWriter } = await replicate(t)
  await reader.get(3)
  hasMembers(t, 'peer', ofReader, {
    remotePublicKey: 'object',
    remoteOpened: 'boolean',
    remoteSynced: 'boolean',
    remoteLength: 'number',
    remoteFork: 'number',
    remoteContiguousLength: 'number',
    _remoteContiguousLength: 'number',
    remoteBitfield: 'object',
    _unclearLocalRange: 'function of 2',
    _remoteHasBlock: 'function of 1',
    _maybeWant: 'function of 2',
    _requestForkRange: 'function of 1',
    _requestBlock: 'function of 1',
    inflight: 'number',
    stats: 'object',
    paused: 'boolean',
    isActive: 'function of 0',
    _fulfillRequest: 'function of 2',
    stream: 'object',
    remoteRequests: 'object',
    onrange: 'function of 1',
    onbitfield: 'function of 1',
    onrequest: 'function of 1',
    onsync: 'function of 1',
    ondata: 'function of 1',
    removed: 'boolean',
    getMaxInflight: 'function of 0',
    getMaxHotswapInflight: 'function of 0'
  })
  hasMembers(t, 'bits of the peer', ofReader.remoteBitfield, { setRange: 'function of 3' })
  hasMembers(t, 'stats', ofReader.stats, { wireData: 'object', notAvailableBackoffs: 'number' })
  hasMembers(t, 'connection', ofReader.stream, { rawStream: 'object', destroy: 'function of 1' })
  t.ok(ofWriter.remoteRequests instanceof Map)
  t.alike([ofReader.remoteOpened, ofReader.remoteLength, ofReader.remoteFork], [true, 64, 0])
  t.ok(ofReader.stats.wireData.rx > 0, 'data messages are counted')
  t.ok(ofReader._remoteHasBlock(63))
  t.is(internalsOf(reader).peers[0], ofReader)
  t.is(internalsOf(writer).peers[0], ofWriter)
})

test("handlers of a peer's messages can be replaced", async (t) => {
  const { writer, reader, ofReader, ofWriter, unlink } = await replicate(t)
  const data: DataMessage[] = []
  const ranges: RangeMessage[] = []
  const forks: number[] = []
  let [requests, answers] = [0, 0]
  watchCalls(ofReader, 'ondata', (message) => data.push(message as DataMessage))
  watchCalls(ofReader, 'onrange', (message) => ranges.push(message as RangeMessage))
  watchCalls(ofReader, 'onsync', (message) => forks.push((message as { readonly fork: number }).fork))
  watchCalls(ofWriter, 'onrequest', () => requests++)
  watchCalls(ofWriter, '_fulfillRequest', (request) => {
    const { fulfill } = request as BlockAnswer
    ;(request as BlockAnswer).fulfill = async () => {
      const proof = await fulfill.call(request)
      if (proof?.block?.value.length === 100) answers++
      return proof
    }
  })
  t.alike(await reader.get(5), bytesOf(100, 6))
  const [first] = data.filter(({ block }) => block?.index === 5)
  t.is(first?.block?.value?.length, 100, 'ondata gets the block')
  t.ok(first?.block?.nodes.every(({ index, size, hash }) => index >= 0 && size > 0 && hash.length === 32))
  hasMembers(t, 'message', first ?? null, { hash: 'null', seek: 'null', upgrade: 'null', manifest: 'null' })
  t.ok(requests > 0, 'onrequest gets the request')
  t.ok(answers > 0, 'fulfill answers it with the block')
  await writer.clear(9)
  await until(() => ranges.some(({ drop, start, length }) => drop && start === 9 && length === 1), {
    what: 'word of the cleared block'
  })
  await writer.truncate(60, { fork: 7 })
  await until(() => forks.includes(7), { what: 'word of the fork' })
  await until(() => reader.fork === 7, { what: 'the fork' })
  unlink()
  await until(() => ofReader.removed, { what: 'the end of the connection' })
})

test('Hypercore asks the replaced functions before it sends a request', async (t) => {
  const { reader, ofReader } = await replicate(t)
  const calls = new Set<string>()
  for (const method of ['_requestBlock', '_remoteHasBlock', 'getMaxInflight'])
    watchCalls(ofReader, method, () => calls.add(method))
  await reader.get(20)
  t.alike([...calls].sort(), ['_remoteHasBlock', '_requestBlock', 'getMaxInflight'])
})

test('a peer that refused 32 requests is paused', async (t) => {
  const { reader, writer, ofReader } = await replicate(t)
  await reader.get(0)
  // The writer's storage answers as if a file had lost these blocks: the peer still announces them.
  const { storage } = internalsOf(writer).core.state
  const { read } = storage
  storage.read = () => {
    const rx = read.call(storage)
    rx.getBlock = async () => null
    return rx
  }
  for (let i = 1; i < 40; i++) reader.get(i, { timeout: 600_000 }).catch(() => {})
  await until(() => ofReader.paused && ofReader.stats.notAvailableBackoffs >= 32, { what: 'the pause' })
  t.pass()
})

test('leaf hashes and proofs are computed by properties that can be replaced', async (t) => {
  hasMembers(t, 'crypto', crypto, { data: 'function of 1', parent: 'function of 2' })
  hasMembers(t, 'MerkleTree', MerkleTree, { missingNodes: 'function of 3' })
  t.is(MerkleTree.missingNodes, missingNodes, 'ours is in place')
  const required = require('hypercore-crypto') as { readonly data: unknown }
  t.is(required.data, crypto.data, 'Hypercore, which requires the module, gets the replacement')
  const store = await openStore(t)
  const core = await store.named('content')
  const block = Buffer.from('block')
  setLeafHash(block, Buffer.alloc(32, 7))
  await core.append(block)
  const rx = internalsOf(core).core.state.storage.read()
  const leaf = rx.getTreeNode(0)
  rx.tryFlush()
  t.alike((await leaf)?.hash, Buffer.alloc(32, 7), 'Hypercore asks for the hash of a block when it appends it')
})

test('a reader computes which nodes it lacks by the replaced function', async (t) => {
  const { reader } = await replicate(t)
  let calls = 0
  MerkleTree.missingNodes = (...args) => {
    calls++
    return missingNodes(...args)
  }
  t.teardown(() => {
    MerkleTree.missingNodes = missingNodes
  })
  await reader.get(30)
  t.ok(calls > 0)
})

test("a bee's block, batch and header are as they are read", async (t) => {
  const store = await openStore(t)
  const core = await store.named('entries')
  const bee = beeOf(core, Buffer.alloc(32, 5))
  await bee.ready()
  const batch = bee.batch()
  t.is(lengthWith(batch), 1, 'the header')
  await batch.put(Buffer.from('a'), Buffer.from('1'))
  t.is(lengthWith(batch), 2)
  await batch.put(Buffer.from('b'), Buffer.from('2'))
  await batch.flush()
  t.is(core.length, 3)
  t.alike((await bee.getHeader()).metadata?.contentFeed, Buffer.alloc(32, 5))
  const { key, value, index } = decodeBeeBlock((await core.get(2)) ?? Buffer.alloc(0))
  t.alike([key.toString(), value?.toString()], ['b', '2'])
  t.alike(
    decodeBeeNodes(index).map(({ keys, children }) => [[...keys], [...children]]),
    [[[1, 2], []]],
    'a root with both keys'
  )
})

test('the storage engine has the members that compaction and the scan use', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const storage = new CorestoreStorage(directory)
  t.teardown(() => storage.close())
  const { db } = storageInternalsOf(storage)
  hasMembers(t, 'storage', storage, { setSeed: 'function of 1', close: 'function of 0', db: 'object' })
  hasMembers(t, 'database', db, {
    flush: 'function of 1',
    compactRange: 'function of 0',
    getProperty: 'function of 1',
    iterator: 'function of 2'
  })
  await storageInternalsOf(storage).setSeed(Buffer.alloc(32, 1))
  await db.flush()
  await db.compactRange(null, null, {
    bottommostLevelCompaction: 2,
    blobGarbageCollectionPolicy: 1,
    blobGarbageCollectionAgeCutoff: 1
  })
  for (const name of ['num-blob-files', 'live-blob-file-size', 'live-blob-file-garbage-size'])
    t.is(Number(await db.getProperty(`rocksdb.${name}`)), 0, name)
  let pairs = 0
  const range = { gte: Buffer.of(0), lt: Buffer.of(0xff), reverse: true, capacity: 1024 }
  for await (const _ of db.iterator(range)) pairs++
  t.ok(pairs > 0, 'the seed is found')
})

test('the storage engine works with the sizes that the store asks for', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await openStore(t, directory)
  await (await store.named('content')).append(Buffer.from('a'))
  const db = join(directory, 'db')
  const name = readdirSync(db).filter((each) => each.startsWith('OPTIONS-'))
  const options = name.map((each) => readFileSync(join(db, each), 'utf8')).join('')
  for (const option of [
    'write_buffer_size=4194304',
    'max_open_files=256',
    'max_background_jobs=2',
    'blob_file_size=67108864',
    'min_blob_size=4096'
  ])
    t.ok(options.includes(option), option)
})
