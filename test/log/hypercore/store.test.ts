import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import b4a from 'b4a'
import { test } from 'brittle'
import { LogStore, parseKey, printKey } from '../../../src/log/hypercore/store.ts'
import { bytesOf } from '../../support/bytes.ts'
import { codeOf, failureOf } from '../../support/failure.ts'
import { openStore } from '../../support/log.ts'

test('a store keeps its cores and its identity', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await LogStore.open(directory)
  const core = await store.named('entries')
  await core.append(Buffer.from('block'))
  const { key } = core
  const { publicKey } = await store.identity()
  await store.flush()
  await store.close()

  const again = await openStore(t, directory)
  const named = await again.named('entries')
  t.ok(named.key.equals(key))
  t.is((await named.get(0))?.toString(), 'block')
  t.ok((await again.keyed(key)).writable)
  t.ok((await again.identity()).publicKey.equals(publicKey))
  t.absent((await again.named('content')).key.equals(key))
})

test('a directory that holds other files is refused, and untouched', async (t) => {
  const directory = await t.tmp()
  mkdirSync(join(directory, 'photos'))
  writeFileSync(join(directory, 'photos/one'), 'mine')
  writeFileSync(join(directory, 'letter'), 'mine')
  t.is(await codeOf(() => LogStore.open(directory)), 'FOLDER_FORMAT')
  t.alike(readdirSync(directory).sort(), ['letter', 'photos'])
  t.is(readFileSync(join(directory, 'photos/one'), 'utf8'), 'mine')
})

test('a file at the path of a store is refused', async (t) => {
  const path = join(await t.tmp(), 'store')
  writeFileSync(path, 'mine')
  t.is(await codeOf(() => LogStore.open(path)), 'FOLDER_UNREADABLE')
  t.is(readFileSync(path, 'utf8'), 'mine')
})

test('an empty directory becomes a store', async (t) => {
  const directory = await t.tmp()
  await openStore(t, directory)
  t.ok(readdirSync(directory).includes('CORESTORE'))
})

test('a store that is open is locked', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await LogStore.open(directory)
  t.is(await codeOf(() => LogStore.open(directory)), 'LOCKED')
  await store.close()
  const again = await LogStore.open(directory)
  await again.close()
})

for (const [what, damage] of [
  ['without its CURRENT', (db: string) => rmSync(join(db, 'CURRENT'))],
  ['without its tables', (db: string) => everyFile(db, /sst$/, (path) => rmSync(path))],
  ['whose tables are cut off', (db: string) => everyFile(db, /sst$/, (path) => truncateSync(path, 100))],
  ['without its manifest', (db: string) => everyFile(db, /^MANIFEST/, (path) => rmSync(path))],
  ['whose manifest is garbage', (db: string) => everyFile(db, /^MANIFEST/, (path) => writeFileSync(path, 'garbage'))]
] as const) {
  test(`a store ${what} is reported as damaged, again and again`, async (t) => {
    const directory = join(await t.tmp(), 'store')
    const store = await LogStore.open(directory)
    await (await store.named('entries')).append(bytesOf(10_000))
    await store.flush()
    await store.close()
    damage(join(directory, 'db'))
    t.is(await codeOf(() => LogStore.open(directory)), 'DAMAGED')
    t.is(await codeOf(() => LogStore.open(directory)), 'DAMAGED')
  })
}

function everyFile(directory: string, pattern: RegExp, act: (path: string) => void): void {
  for (const name of readdirSync(directory)) if (pattern.test(name)) act(join(directory, name))
}

test('a store whose database is broken is reported as damaged', async (t) => {
  const directory = join(await t.tmp(), 'store')
  const store = await LogStore.open(directory)
  await store.close()
  writeFileSync(join(directory, 'db/CURRENT'), 'garbage')
  t.is(await codeOf(() => LogStore.open(directory)), 'DAMAGED')
})

test('a printed key parses in both forms, with blanks around it', (t) => {
  const key = bytesOf(32)
  const printed = printKey(key)
  t.is(printed.length, 52)
  t.ok(b4a.equals(parseKey(printed), key))
  t.ok(b4a.equals(parseKey(`  ${printed}\n`), key))
  t.ok(b4a.equals(parseKey(key.toString('hex')), key))
  t.ok(b4a.equals(parseKey(key.toString('hex').toUpperCase()), key))
})

for (const [what, text, word] of [
  ['that is empty', '', '0 characters'],
  ['that is too short', 'y'.repeat(51), '51 characters'],
  ['that is too long', 'y'.repeat(53), '53 characters'],
  ['with a letter that no key has', `${'y'.repeat(51)}l`, '"l"'],
  ['in capitals', 'Y'.repeat(52), '"Y"'],
  ['with a path in it', `../${'y'.repeat(49)}`, '"."'],
  ['with a digit that is not hexadecimal', `${'a'.repeat(63)}g`, '"g"'],
  ['as long as a book', 'x'.repeat(100_000), '100000 characters']
] as const) {
  test(`a key ${what} is refused, and told why`, async (t) => {
    const error = await failureOf(() => parseKey(text))
    t.is((error as { readonly code?: unknown }).code, 'BAD_KEY')
    t.ok((error as Error).message.includes(word))
    t.ok((error as Error).message.length < 300)
  })
}

test('a store whose creation a power cut interrupted is created anew', async (t) => {
  const directory = await t.tmp()
  const first = await LogStore.open(directory)
  const { key } = await first.named('entries')
  await first.close()
  truncateSync(join(directory, 'CORESTORE'))
  const again = await LogStore.open(directory)
  t.teardown(() => again.close())
  t.alike((await again.named('entries')).key, key)
})
