import { chmodSync, existsSync, lstatSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { Workers } from '../../../src/disk/threads/workers.ts'
import {
  type ContentSource,
  type ReceiveOptions,
  type StagedFile,
  Staging,
  WrongContent
} from '../../../src/disk/write/stage.ts'
import { bytesOf } from '../../support/bytes.ts'
import { fileOf } from '../../support/entries.ts'
import { failureOf } from '../../support/failure.ts'

const content = bytesOf(1_000_000)
const entry = fileOf(content, { mode: 0o444 })
const go = new AbortController().signal

/** Keeps account of what is received, as a folder does. */
class Account {
  readonly files = new Map<string, StagedFile>()

  stage(_: unknown, at: string, found: number): StagedFile {
    const file = { at, found, trusted: 0 }
    this.files.set(at, file)
    return file
  }

  unstage({ at }: StagedFile): void {
    this.files.delete(at)
  }
}

async function openStaging(t: Assert, directory?: string) {
  const workers = new Workers()
  t.teardown(() => workers.close())
  const account = new Account()
  const staging = new Staging(directory ?? join(await t.tmp(), 'staging'), {
    inPlaceAbove: 500_000,
    files: account,
    workers
  })
  staging.open()
  return { staging, account }
}

/** Gives the content in pieces, or so many of them; remembers what it was asked. */
class Source implements ContentSource {
  readonly asked: (ReceiveOptions | undefined)[] = []
  readonly #bytes: Uint8Array
  readonly #piecesMax: number

  constructor(bytes: Uint8Array, piecesMax = Number.POSITIVE_INFINITY) {
    this.#bytes = bytes
    this.#piecesMax = piecesMax
  }

  async *read(_: unknown, __: AbortSignal, options?: ReceiveOptions): AsyncGenerator<Uint8Array> {
    this.asked.push(options)
    for (let i = 0; i * 100_000 < this.#bytes.length; i++) {
      if (i === this.#piecesMax) throw new Error('cut off')
      yield this.#bytes.subarray(i * 100_000, (i + 1) * 100_000)
    }
  }

  pack(): Promise<Uint8Array> {
    throw new Error('no pack')
  }
}

test('a large file is received whole, with its mode, and known until it is released', async (t) => {
  const { staging, account } = await openStaging(t)
  t.ok(staging.isInPlace(entry))
  t.absent(staging.isInPlace(fileOf('small')))
  const counts: number[] = []
  const at = await staging.receive(entry, new Source(content), { signal: go, onBytes: (bytes) => counts.push(bytes) })
  t.ok(readFileSync(at).equals(content))
  t.is(lstatSync(at).mode & 0o777, 0o444)
  t.is(counts.length, 10)
  t.is(account.files.get(at)?.trusted, content.length)
  staging.release(at)
  t.is(account.files.size, 0)
})

test('the next run resumes a partial file', async (t) => {
  const { staging, account } = await openStaging(t)
  const cut = await failureOf(() => staging.receive(entry, new Source(content, 4), { signal: go }))
  t.is((cut as Error).message, 'cut off')
  const [name = ''] = readdirSync(staging.directory)
  t.is(name, `part-${entry.hash}`)
  t.is(account.files.get(join(staging.directory, name))?.trusted, 400_000, 'it can be read from')

  const { staging: next, account: later } = await openStaging(t, staging.directory)
  t.ok(existsSync(join(staging.directory, name)), 'a start leaves it')
  // As when it was cut off between its end and its being moved in.
  chmodSync(join(staging.directory, name), 0o444)
  let found: number | undefined
  const source = new Source(content)
  const at = await next.receive(entry, source, {
    signal: go,
    onBytes: () => {
      found = [...later.files.values()][0]?.found
    }
  })
  t.is(found, 400_000, 'it is told how much is there')
  t.ok(readFileSync(at).equals(content))
})

test('more than its content leaves nothing behind its end', async (t) => {
  const { staging } = await openStaging(t)
  writeFileSync(join(staging.directory, `part-${entry.hash}`), Buffer.alloc(2_000_000, 1))
  staging.open()
  const at = await staging.receive(entry, new Source(content), { signal: go })
  t.ok(readFileSync(at).equals(content))
})

test('wrong content is retried once without trust in other files, then removed', async (t) => {
  const { staging, account } = await openStaging(t)
  const wrong = Buffer.from(content)
  wrong[500_000] = (wrong[500_000] ?? 0) ^ 1
  for (const bytes of [wrong, content.subarray(1), Buffer.concat([content, content])]) {
    const source = new Source(bytes)
    t.ok((await failureOf(() => staging.receive(entry, source, { signal: go }))) instanceof WrongContent)
    t.alike(
      source.asked.map((options) => options?.doubtful),
      [false, true]
    )
  }
  t.alike(readdirSync(staging.directory), [])
  t.is(account.files.size, 0)
})

test('two files of one content are received at once', async (t) => {
  const { staging } = await openStaging(t)
  const both = await Promise.all([1, 2].map(() => staging.receive(entry, new Source(content), { signal: go })))
  t.is(new Set(both).size, 2)
  for (const at of both) t.ok(readFileSync(at).equals(content))
})

test('prune deletes unwanted partial files, but none in reception', async (t) => {
  const { staging, account } = await openStaging(t)
  const other = fileOf(bytesOf(600_000, 2))
  await failureOf(() => staging.receive(entry, new Source(content, 2), { signal: go }))
  const at = await staging.receive(other, new Source(bytesOf(600_000, 2)), { signal: go })
  staging.prune([entry, undefined])
  t.is(readdirSync(staging.directory).length, 2)
  staging.prune([])
  t.alike(readdirSync(staging.directory), [`part-${other.hash}`])
  staging.discard(at)
  truncateSync(at, 0)
  staging.prune([])
  t.alike(readdirSync(staging.directory), [])
  t.is(account.files.size, 0)
})
