import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { bytesOf } from '../support/bytes.ts'
import { start, startShare } from '../support/cli.ts'
import { askSocket, type OutputRecord, recordsIn, run, socketOf } from '../support/reading.ts'
import { test } from '../support/together.ts'
import { until } from '../support/until.ts'

async function shared(t: Assert, folder: string, args: readonly string[] = []) {
  const peer = await startShare(t, folder, { bootstrap: 'none', args })
  await peer.event('up-to-date')
  return peer
}

/** The resident memory of a process, in bytes, and the number of its descriptors. */
function usageOf(pid: number): { readonly bytes: number; readonly sockets: number } {
  const bytes = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  return { bytes, sockets: readdirSync(`/proc/${pid}/fd`).length }
}

interface Stream {
  /** The text received so far. */
  readonly text: () => string
  readonly isOver: () => boolean
  readonly end: () => void
}

/** Reads an endless answer. */
function follow(t: Assert, socketPath: string, path: string): Promise<Stream> {
  return new Promise((resolve, reject) => {
    let [text, isOver] = ['', false]
    const asked = request({ socketPath, path }, (response) => {
      response.on('data', (piece: Buffer) => {
        text += piece
      })
      response.on('error', () => {})
      response.once('close', () => {
        isOver = true
      })
      resolve({ text: () => text, isOver: () => isOver, end: () => asked.destroy() })
    })
    asked.once('error', reject)
    asked.end()
    t.teardown(() => asked.destroy())
  })
}

test('a running folder answers on its socket, as CONTROL.md specifies', async (t) => {
  const folder = join(await t.tmp(), 'folder')
  mkdirSync(join(folder, 'docs'), { recursive: true })
  writeFileSync(join(folder, 'docs/a.txt'), '0123456789')
  writeFileSync(join(folder, 'name & more?'), 'odd')
  writeFileSync(join(folder, 'empty'), '')
  const peer = await shared(t, folder)
  const socket = socketOf(folder)
  t.is(statSync(socket).mode & 0o777, 0o600, 'for its owner only')

  const get = (path: string) => askSocket(socket, path)
  const post = (path: string, body: string | object) => askSocket(socket, path, body)
  const pathsIn = ({ records }: { readonly records: readonly OutputRecord[] }) =>
    records.flatMap(({ path }) => path ?? [])

  const listed = await get('/v1/list?path=docs')
  t.is(listed.status, 200)
  t.is(listed.type, 'application/x-ndjson')
  t.alike(
    listed.records.map(({ type, path }) => [type, path]),
    [
      ['version', undefined],
      ['entry', 'docs/a.txt']
    ]
  )
  t.alike(pathsIn(await get('/v1/list?recursive=true')), ['docs', 'docs/a.txt', 'empty', 'name & more?'])
  t.alike(pathsIn(await post('/v1/list', { path: 'docs', recursive: true })), ['docs/a.txt'])
  t.alike(pathsIn(await post('/v1/list', '')), ['docs', 'empty', 'name & more?'], 'an empty body means no parameters')
  t.is((await get('/v1/log?limit=1')).records[0]?.type, 'version')
  const { records: statuses } = await get('/v1/status')
  t.alike(
    statuses.map(({ type, role, pid, state, percent, files, bytes }) => [
      type,
      role,
      pid,
      state,
      percent,
      files,
      bytes
    ]),
    [['status', 'writer', peer.pid, 'done', 100, 3, 13]]
  )

  const content = await get('/v1/content?path=docs/a.txt&start=2&end=5')
  t.alike([content.status, content.type, content.body.toString()], [200, 'application/octet-stream', '234'])
  t.is((await get('/v1/content?path=docs/a.txt&start=-3')).body.toString(), '789')
  t.is((await get(`/v1/content?path=${encodeURIComponent('name & more?')}`)).body.toString(), 'odd')
  t.is((await get('/v1/content?path=empty')).status, 200)

  const wrong: ReadonlyArray<[ask: () => ReturnType<typeof get>, status: number, code: string]> = [
    [() => get('/'), 404, 'USAGE'],
    [() => get('//'), 404, 'USAGE'],
    [() => get('/v1'), 404, 'USAGE'],
    [() => get('/v1/nothing'), 404, 'USAGE'],
    [() => get('/v1/constructor'), 404, 'USAGE'],
    [() => get('/v1/list/more'), 404, 'USAGE'],
    [() => get('/v2/list'), 404, 'USAGE'],
    [() => get('/v1/%00'), 404, 'USAGE'],
    [() => get('/v1/list?path=gone'), 404, 'NO_SUCH_PATH'],
    [() => get('/v1/list?version=999'), 404, 'NO_SUCH_VERSION'],
    [() => get('/v1/content?path=gone'), 404, 'NO_SUCH_PATH'],
    [() => get('/v1/list?path=../up'), 400, 'USAGE'],
    [() => get('/v1/list?version=never'), 400, 'USAGE'],
    [() => get('/v1/list?path=a&path=b'), 400, 'USAGE'],
    [() => get('/v1/list?other=1'), 400, 'USAGE'],
    [() => get('/v1/log?limit=half'), 400, 'USAGE'],
    [() => get('/v1/log?limit=0.5'), 400, 'USAGE'],
    [() => get('/v1/content'), 400, 'USAGE'],
    [() => get('/v1/content?path=docs'), 400, 'USAGE'],
    [() => get('/v1/content?path=docs/a.txt&start=0.5'), 400, 'USAGE'],
    [() => get('/v1/pause'), 400, 'USAGE'],
    [() => get('/v1/resume'), 400, 'USAGE'],
    [() => post('/v1/list', '{'), 400, 'USAGE'],
    [() => post('/v1/list', '[]'), 400, 'USAGE'],
    [() => post('/v1/list', 'null'), 400, 'USAGE'],
    [() => post('/v1/list', { recursive: 'perhaps' }), 400, 'USAGE'],
    [() => post('/v1/list', JSON.stringify({ path: 'x'.repeat(3_000_000) })), 400, 'USAGE']
  ]
  for (const [i, [ask, status, code]] of wrong.entries()) {
    const { status: got, records } = await ask()
    t.alike([got, records.map(({ type, code }) => [type, code])], [status, [['error', code]]], `wrong request ${i}`)
  }
  const late = await get('/v1/wait?version=999&timeoutMs=1')
  t.is(late.records[0]?.code, 'NO_PEER')

  // The timeout is longer than the longest timer of Node.
  const waiting = await Promise.race([get('/v1/wait?version=999&timeoutMs=5000000000'), get('/v1/status')])
  t.is(waiting.records[0]?.type, 'status')

  // Bytes that aren't HTTP, and a request that breaks off, do no harm.
  const raw = connect(socket)
  raw.on('error', () => {})
  raw.end('\0\x01 not HTTP\r\n\r\n')
  connect(socket)
    .on('error', () => {})
    .end('POST /v1/list HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{')
  t.is((await get('/v1/peers')).status, 200)

  t.is(await peer.kill('SIGTERM'), 130)
  t.absent(existsSync(socket), 'gone after a clean end')
  t.is((await run(t, ['ls', folder])).status, 0)
})

test('a client that follows gets everything; one that ends costs nothing, a slow one little', async (t) => {
  const folder = join(await t.tmp(), 'folder')
  mkdirSync(folder)
  for (let i = 0; i < 1500; i++)
    writeFileSync(join(folder, `${'a long name, so that a listing is large'.repeat(4)} ${i}`), '')
  writeFileSync(join(folder, 'large'), bytesOf(80_000_000))
  const peer = await shared(t, folder)
  const socket = socketOf(folder)
  const before = usageOf(peer.pid)

  // Slow clients request much, and read none of it.
  const slow = Array.from({ length: 20 }, (_, i) => {
    const path = i % 2 === 0 ? '/v1/list?recursive=1' : '/v1/content?path=large'
    const client = connect(socket)
    client.on('error', () => {})
    client.pause()
    client.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    return client
  })
  // These clients end within the listing.
  const watchers = await Promise.all(Array.from({ length: 20 }, () => follow(t, socket, '/v1/watch')))
  const haveBegun = () => watchers.every((each) => each.text().length > 1000)
  await until(haveBegun, { what: 'the beginning of each listing' })
  for (const each of watchers) each.end()

  const events = await follow(t, socket, '/v1/events')
  const watcher = await follow(t, socket, '/v1/watch?path=new')
  const listed = () => recordsIn(watcher.text().slice(0, watcher.text().lastIndexOf('\n') + 1))
  await until(() => listed().some(({ type }) => type === 'listed'), { what: 'the listing' })
  const during = usageOf(peer.pid)
  // Buffering the large file for ten clients would take 800 MB.
  t.ok(during.bytes - before.bytes < 350e6, `${during.bytes - before.bytes} bytes more for 20 slow clients`)

  mkdirSync(join(folder, 'new'))
  writeFileSync(join(folder, 'new/file'), 'x')
  await until(() => listed().some(({ type, path }) => type === 'added' && path === 'new/file'), { what: 'the change' })
  await until(() => /^event: published\ndata: \{"type":"published".*\}\n\n/m.test(events.text()), { what: 'the event' })
  for (const block of events
    .text()
    .split('\n\n')
    .filter((each) => each.startsWith('event'))) {
    const [, name, data = ''] = /^event: (\S+)\ndata: (.*)$/.exec(block) ?? []
    t.is((JSON.parse(data) as OutputRecord).type, name)
  }

  for (const client of slow) client.destroy()
  const few = before.sockets + 6
  await until(() => usageOf(peer.pid).sockets <= few, { what: 'the sockets of ended clients to close' })

  t.is(await peer.kill('SIGTERM'), 130)
  await until(() => watcher.isOver() && events.isOver(), { what: 'the end of what is followed' })
  t.is(peer.stderr, '', 'no warning on stderr')
})

test('a deep state directory has a socket, and the socket of a killed process is replaced', async (t) => {
  const root = await t.tmp()
  const [folder, deep] = [
    join(root, 'folder'),
    join(root, ...Array.from({ length: 12 }, (_, i) => `a-deep-directory-${i}`))
  ]
  mkdirSync(folder)
  mkdirSync(deep, { recursive: true })
  writeFileSync(join(folder, 'file'), 'content')
  const first = await shared(t, folder, ['--state', deep])
  const ls = async () => (await run(t, ['ls', folder])).stdout
  const pidOf = async () => (await run(t, ['status', folder, '--json'])).records[0]?.pid
  t.is(await pidOf(), first.pid)
  t.is(await ls(), 'file\n')
  await first.kill('SIGKILL')
  t.ok(existsSync(join(deep, 'control.sock')), 'left behind')
  t.is(await pidOf(), undefined, 'no process answers')
  t.is(await ls(), 'file\n')

  const second = await shared(t, folder, ['--state', deep])
  t.is(await pidOf(), second.pid)
  t.is((await run(t, ['status', folder, '--state', deep, '--json'])).records[0]?.pid, second.pid)
  // The process is killed while a client watches.
  const watching = start(t, ['watch', folder])
  await until(() => /following version/.test(watching.stderr), { what: 'the listing' })
  await second.kill('SIGKILL')
  const third = await shared(t, folder)
  writeFileSync(join(folder, 'later'), 'later')
  await until(() => /^\+ later/m.test(watching.stdout), { what: 'the watch to continue with the next process' })
  t.is(await watching.kill('SIGINT'), 130)
  t.absent(/UNEXPECTED|\n\s+at /.test(watching.stderr), watching.stderr)
  await third.kill('SIGTERM')
})

test('without a socket in the state directory, the runtime directory has one', async (t) => {
  const root = await t.tmp()
  const [folder, runtime] = [join(root, 'folder'), join(root, 'run')]
  // A directory in its place prevents the socket, like a file system without sockets.
  mkdirSync(socketOf(folder), { recursive: true })
  mkdirSync(join(socketOf(folder), 'in the way'))
  mkdirSync(runtime, { mode: 0o700 })
  writeFileSync(join(folder, 'file'), 'content')
  const env = { XDG_RUNTIME_DIR: runtime }
  const peer = await startShare(t, folder, { bootstrap: 'none', env })
  await peer.event('up-to-date')
  const sockets = () => readdirSync(runtime).filter((name) => /^p2psync-.*\.sock$/.test(name))
  const [name = ''] = sockets()
  t.is(statSync(join(runtime, name)).mode & 0o777, 0o600)
  t.is((await run(t, ['status', folder, '--json'], { env })).records[0]?.pid, peer.pid)
  t.is((await run(t, ['ls', folder], { env })).stdout, 'file\n')
  await peer.kill('SIGTERM')
  t.alike(sockets(), [])
  t.is((await run(t, ['ls', folder], { env })).stdout, 'file\n')
})
