import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import ids from 'hypercore-id-encoding'
import CorestoreStorage from 'hypercore-storage'
import { rendezvousOf } from '../../../src/net/rendezvous.ts'
import { bytesOf } from '../../support/bytes.ts'
import { type Command, start, startClone, startShare } from '../../support/cli.ts'
import { freePort } from '../../support/free-port.ts'
import { patientTimeout } from '../../support/hang.ts'
import { type Host, namespaceTest, openLan, startDht } from '../../support/namespaces.ts'
import { matches } from '../../support/says.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

/** A well-formed key that belongs to no folder. */
const wrongKey = ids.encode(bytesOf(32, 99))

// Information visible on the network

const fileName = 'a-name-that-nobody-else-has.txt'
const content = 'These words are in no other file, and in no packet either. '

/** Everything about a folder that must stay secret, by name. */
async function secretsOf(key: string, store: string): Promise<ReadonlyMap<string, Buffer>> {
  const corestore = new Corestore(new CorestoreStorage(store))
  const entries = corestore.get({ key: ids.decode(key) })
  const header = await new Hyperbee(entries, { extension: false }).getHeader()
  const contents = corestore.get({ key: header.metadata?.contentFeed as Buffer })
  await contents.ready()
  const secrets = new Map([
    ['the key', entries.key],
    ['its discovery key', entries.discoveryKey],
    ['the key of the contents', contents.key],
    ['their discovery key', contents.discoveryKey],
    ['the name of a file', Buffer.from(fileName)],
    ['the content of a file', Buffer.from(content)]
  ])
  await corestore.close()
  return secrets
}

/** The encodings in which bytes could appear in a packet. */
function formsOf(bytes: Buffer): readonly Buffer[] {
  const texts = [bytes.toString('hex'), bytes.toString('hex').toUpperCase(), bytes.toString('base64url')]
  if (bytes.length === 32) texts.push(ids.encode(bytes))
  return [bytes, ...texts.map((text) => Buffer.from(text))]
}

function isIn(packets: Buffer, bytes: Buffer): boolean {
  return formsOf(bytes).some((form) => packets.includes(form))
}

/** Captures the network's packets while `act` shares a folder. */
async function listen(t: Assert, host: Host, act: () => Promise<{ readonly key: string; readonly store: string }>) {
  const file = join(await t.tmp(), 'packets')
  const end = await host.capture(file)
  if (end === undefined) t.comment('tcpdump is missing: no packets are inspected')
  const { key, store } = await act()
  await end?.()
  return { packets: end && readFileSync(file), key, secrets: await secretsOf(key, store) }
}

/** Shares and clones a folder, makes a change, and lets a stranger connect. */
async function play(
  t: Assert,
  [a, b]: readonly Host[],
  options: { readonly bootstrap: string; readonly args: readonly string[] }
) {
  const [source, mirror, port] = [await t.tmp(), join(await t.tmp(), 'mirror'), 4977]
  writeFileSync(join(source, fileName), content.repeat(50))
  const isTcp = !options.args.includes('--no-tcp')
  const args = [...options.args, ...(isTcp ? ['--port', String(port)] : [])]
  const { bootstrap } = options
  const writer = await startShare(t, source, { bootstrap, args, ...(a && { host: a }) })
  const at = b && { host: b }
  const reader = startClone(t, writer.key, mirror, { bootstrap, args: options.args, ...at })
  await reader.event('in-sync')
  appendFileSync(join(source, fileName), content)
  await until(() => readFileSync(join(mirror, fileName), 'utf8').length === content.length * 51, {
    what: 'the change'
  })
  if (isTcp) {
    const more = ['--peer', `${a?.address}:${port}`, ...patientTimeout, '--once']
    const stranger = startClone(t, wrongKey, join(await t.tmp(), 'mirror'), { bootstrap, args: more, ...at })
    await stranger.event('notice', ({ message }) => message.includes("doesn't have this folder"))
    await stranger.kill('SIGTERM')
  }
  await reader.kill('SIGTERM')
  await writer.kill('SIGTERM')
  const [peer] = reader.events.filter((event) => event.type === 'peer')
  return { key: writer.key, store: join(mirror, '.p2psync/store'), transport: peer?.transport }
}

namespaceTest('a local network sees nothing of a folder', async (t) => {
  const hosts = openLan(t, 2)
  const { packets, key, secrets } = await listen(t, hosts[0] as Host, () =>
    play(t, hosts, { bootstrap: 'none', args: [] })
  )
  if (packets === undefined) return
  // The public parts are in the packets, so the capture is the right one.
  t.ok(isIn(packets, Buffer.from('_p2psync')) && packets.includes(rendezvousOf(ids.decode(key)).id), 'the packets')
  for (const [name, bytes] of secrets) t.absent(isIn(packets, bytes), name)
})

namespaceTest('the DHT and UDX packets reveal nothing of a folder but its topic', async (t) => {
  const hosts = openLan(t, 3)
  const bootstrap = await startDht(hosts[2] as Host)
  const { packets, key, secrets } = await listen(t, hosts[0] as Host, () =>
    play(t, hosts, { bootstrap, args: ['--no-tcp', '--no-lan'] })
  )
  if (packets === undefined) return
  t.ok(isIn(packets, rendezvousOf(ids.decode(key)).topic), 'the packets')
  for (const [name, bytes] of secrets) t.absent(isIn(packets, bytes), name)
})

// Messages to people

/** A folder shared on this machine, and a function that clones it as another machine. */
async function openScene(
  t: Assert,
  { allow = [] as readonly string[], isUdx = false, file = undefined as string | undefined } = {}
) {
  const bootstrap = isUdx ? (await startTestnet(t)).text : 'none'
  const transport = isUdx ? ['--no-tcp'] : []
  const [source, port] = [await t.tmp(), await freePort()]
  writeFileSync(join(source, 'file'), 'first')
  const allowFile = join(source, '.p2psync/allow')
  if (file !== undefined) {
    // The list lies in the folder, which has to exist first.
    const first = await startShare(t, source, { bootstrap: 'none' })
    await first.kill('SIGTERM')
    writeFileSync(allowFile, file)
  }
  const args = [...transport, ...(isUdx ? [] : ['--port', String(port)]), ...allow.flatMap((key) => ['--allow', key])]
  const writer = await startShare(t, source, { bootstrap, args })
  const clone = async (machine: Machine, more: readonly string[] = []) =>
    startClone(t, writer.key, join(await t.tmp(), 'mirror'), {
      bootstrap,
      env: machine.env,
      args: [...transport, ...more]
    })
  return { source, port, writer, allowFile, clone }
}

interface Machine {
  /** As printed by `id`. */
  readonly key: string
  readonly env: NodeJS.ProcessEnv
}

async function newMachine(t: Assert): Promise<Machine> {
  const env = { XDG_STATE_HOME: await t.tmp() }
  const id = start(t, ['id'], { env })
  t.is(await id.exit(), 0)
  return { key: id.stdout.trim(), env }
}

function noticesOf(command: Command): readonly string[] {
  return command.events.flatMap((event) => (event.type === 'notice' ? [event.message] : []))
}

test('a peer with a wrong key learns that the folder is not there, and its owner is not bothered', async (t) => {
  const { port, writer } = await openScene(t)
  const args = ['--once', '--timeout', '20s', '--peer', `127.0.0.1:${port}`]
  const stranger = startClone(t, wrongKey, join(await t.tmp(), 'mirror'), { bootstrap: 'none', args })
  t.is(await stranger.exit(), 13)
  matches(t, stranger.stderr, new RegExp(`127.0.0.1:${port}.* doesn't have this folder`))
  t.absent(stranger.stderr.includes('nobody answers'), 'somebody answers')
  t.is(noticesOf(stranger).filter((message) => !message.startsWith('No peer yet')).length, 1, 'one notice')
  t.absent(
    stranger.stderr.includes(writer.key) || stranger.stdout.includes(writer.key),
    'the folder’s own key is not revealed'
  )
  t.alike(noticesOf(writer), [])
  t.is(writer.events.filter(({ type }) => type === 'peer').length, 0)
  t.absent(/\n\s+at /.test(writer.stderr + stranger.stderr), 'no stack trace')
})

for (const isUdx of [false, true]) {
  const way = isUdx ? 'UDX' : 'TCP'

  test(`by ${way}, a machine off the list learns so, and the folder’s owner is notified once`, async (t) => {
    const [friend, other] = [await newMachine(t), await newMachine(t)]
    const { writer, clone } = await openScene(t, { allow: [friend.key], isUdx })
    const refused = await clone(other, ['--once', '--timeout', '40s'])
    t.is(await refused.exit(), 13)
    matches(t, refused.stderr, /turns this machine away/)
    t.ok(refused.stderr.includes(other.key), 'the message names the key that the list lacks')
    t.is(noticesOf(refused).filter((message) => message.includes('turns this machine away')).length, 1, 'one notice')
    const notices = noticesOf(writer).filter((message) => message.includes('was turned away'))
    t.is(notices.length, 1, notices.join('\n'))
    t.ok(notices[0]?.includes(other.key))
    t.absent(
      refused.events.some(({ type }) => type === 'peer'),
      'no peer is reported'
    )
    const welcome = await clone(friend, ['--once'])
    t.is(await welcome.exit(), 0)
  })

  test(`by ${way}, adding a line to the list lets a machine in, and removing it disconnects the machine`, async (t) => {
    const machine = await newMachine(t)
    const { source, writer, allowFile, clone } = await openScene(t, { file: '# Nobody yet\n', isUdx })
    const reader = await clone(machine)
    await reader.event('notice', ({ message }) => message.includes('turns this machine away'))
    const addedMs = performance.now()
    appendFileSync(allowFile, `${machine.key} # the laptop\n`)
    await reader.event('in-sync')
    const ms = performance.now() - addedMs
    t.comment(`in sync ${Math.round(ms)} ms after the line was added`)
    const removedMs = performance.now()
    writeFileSync(allowFile, '')
    await writer.event('peer', ({ state }) => state === 'disconnected')
    await reader.event('peer', ({ state }) => state === 'disconnected')
    t.comment(`disconnected ${Math.round(performance.now() - removedMs)} ms after the line was removed`)
    writeFileSync(join(source, 'file'), 'secret')
    await writer.event('published', ({ puts }) => puts > 0, writer.events.length)
    writeFileSync(allowFile, machine.key)
    await reader.event('applied', ({ version }) => version > 2, reader.events.length)
  })
}

test('a list without a valid line lets nobody in, and each bad line is reported', async (t) => {
  const machine = await newMachine(t)
  const { writer, allowFile, clone } = await openScene(t, { file: `nonsense\n${machine.key.slice(1)}\n` })
  await until(() => noticesOf(writer).length >= 2, { what: 'notices of both lines' })
  for (const message of noticesOf(writer))
    matches(t, message, /A line of the list of those who may connect is left out/)
  const reader = await clone(machine)
  await reader.event('notice', ({ message }) => message.includes('turns this machine away'))
  // A directory can't be read as a file, not even by root.
  rmSync(allowFile)
  mkdirSync(allowFile)
  await writer.event('notice', ({ message }) => message.includes("can't be read"))
  t.is(writer.events.filter(({ type }) => type === 'peer').length, 0, 'nobody is connected')
  rmSync(allowFile, { recursive: true })
  writeFileSync(allowFile, `${machine.key}\r\n`)
  await reader.event('in-sync')
  rmSync(allowFile)
  await reader.kill('SIGTERM')
  const other = await clone(await newMachine(t), ['--once', '--timeout', '5s'])
  t.is(await other.exit(), 13, 'a deleted list stays in force')
})

test('an invalid public key is refused at the start', async (t) => {
  const sharing = start(t, ['share', await t.tmp(), '--allow', 'nonsense'], { bootstrap: 'none' })
  t.is(await sharing.exit(), 12)
  matches(t, sharing.stderr, /\[BAD_KEY\]/)
})
