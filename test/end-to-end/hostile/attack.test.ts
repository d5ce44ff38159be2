import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import ids from 'hypercore-id-encoding'
import {
  besiege,
  besiegeThroughDht,
  earlyAttacks,
  findThroughDht,
  lateAttacks,
  lateAttacksOverTcp,
  memoryMb,
  type Siege
} from '../../support/attackers.ts'
import { bytesOf } from '../../support/bytes.ts'
import { startClone, startShare } from '../../support/cli.ts'
import { freePort } from '../../support/free-port.ts'
import { Insider } from '../../support/insider.ts'
import { repeat } from '../../support/repeat.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

/** Memory that attacks may cost a process at most, in megabytes. */
const growthMbMax = 40
/** Attackers with the key are peers: 64 of them may use this much, in megabytes. */
const insidersMbMax = 150
const skip = process.platform !== 'linux'

/** A folder shared at a known port, and a mirror that follows it. */
async function openScene(t: Assert, { bootstrap = 'none', tcp = true } = {}) {
  const [source, mirrors, port] = [await t.tmp(), await t.tmp(), await freePort()]
  writeFileSync(join(source, 'large'), bytesOf(3_000_000))
  writeFileSync(join(source, 'file'), 'first')
  const args = tcp ? [] : ['--no-tcp']
  const writer = await startShare(t, source, { bootstrap, args: tcp ? ['--port', String(port)] : args })
  const reader = startClone(t, writer.key, join(mirrors, 'follows'), { bootstrap, args })
  await reader.event('in-sync')
  let clones = 0
  let changes = 0
  /** A new clone receives everything and exits. @returns its duration, in milliseconds */
  const cloneAnew = async () => {
    const startMs = performance.now()
    const newcomer = startClone(t, writer.key, join(mirrors, String(++clones)), {
      bootstrap,
      args: [...args, '--once']
    })
    t.is(await newcomer.exit(), 0, 'a new clone receives everything')
    return performance.now() - startMs
  }
  /** The existing reader receives a change. @returns its delay, in milliseconds */
  const changeArrives = async () => {
    const [startMs, text] = [performance.now(), `change ${++changes}`]
    writeFileSync(join(source, 'file'), text)
    const isThere = () => readFileSync(join(mirrors, 'follows/file'), 'utf8') === text
    await until(isThere, { what: 'a change' })
    return performance.now() - startMs
  }
  // Warm up: the memory that honest peers use must not count as growth.
  for (let i = 0; i < 3; i++) await cloneAnew()
  await changeArrives()
  // Temporary clones are peers of the reader, too; its first peer is the writer.
  const { peer: first } = await reader.event('peer')
  const losses = () =>
    reader.events.filter((event) => event.type === 'peer' && event.state === 'disconnected' && event.peer === first)
      .length
  return { source, writer, reader, port, cloneAnew, changeArrives, losses }
}

type Scene = Awaited<ReturnType<typeof openScene>>

/** Samples the memory of a process. */
function watchMemory(t: Assert, pid: number) {
  const before = memoryMb(pid)
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, memoryMb(pid))
  }, 50)
  t.teardown(() => clearInterval(timer), { order: -1 })
  return {
    before,
    /** Peak since the last call, in megabytes. */
    most: () => {
      const value = most
      most = memoryMb(pid)
      return value
    }
  }
}

/** Runs an attack: honest peers must work throughout, and all attackers, who would stay for good, must be dropped. */
async function withstands(t: Assert, name: string, scene: Scene, attack: () => Promise<Siege>): Promise<void> {
  const siege = await attack()
  const [cloneMs, changeMs] = await Promise.all([scene.cloneAnew(), scene.changeArrives()])
  await until(() => siege.open === 0, { what: `the end of connections ${name}` })
  const ms = (value: number) => `${Math.round(value)} ms`
  t.comment(
    `${siege.opened} ${name}: dropped within ${ms(siege.longestMs)}, change ${ms(changeMs)}, clone ${ms(cloneMs)}`
  )
}

function assertUndisturbed(t: Assert, { writer, reader, losses }: Scene): void {
  t.ok(writer.running && reader.running, 'both processes run')
  t.is(losses(), 0, 'the reader kept its connection to the writer')
  t.absent(/\n\s+at /.test(writer.stderr), 'no stack trace')
  const lines = writer.stderr.split('\n').length
  t.ok(lines < 20, `${lines} lines on stderr`)
  const notices = writer.events.filter(({ type }) => type === 'notice' || type === 'error')
  t.ok(notices.length < 5, `${notices.length} notices: ${JSON.stringify(notices.slice(0, 5))}`)
}

/** Runs attacks one after the other, and asserts after each that the writer's memory stays within its bound. */
async function withstandsAll(t: Assert, scene: Scene, attacks: readonly NamedAttack[]): Promise<void> {
  const memory = watchMemory(t, scene.writer.pid)
  for (const [name, attack] of attacks) {
    await withstands(t, name, scene, attack)
    const growth = memory.most() - memory.before
    t.ok(growth <= growthMbMax, `${name}: ${growth.toFixed(1)} MB more than the ${memory.before.toFixed(1)} before`)
  }
  assertUndisturbed(t, scene)
}

type NamedAttack = readonly [name: string, attack: () => Promise<Siege>]

/** Each group has a folder of its own, so that they run concurrently: most attacks only wait. */
const overTcp = [
  ['before the handshake', earlyAttacks],
  ['after the handshake', lateAttacksOverTcp.slice(0, 3)],
  ['after the handshake, with much data', lateAttacksOverTcp.slice(3)]
] as const

for (const [when, list] of overTcp) {
  test(`strangers at the TCP port cost no memory and disturb no peer: ${when}`, { skip }, async (t) => {
    const scene = await openScene(t)
    const attacks = list.map(([name, count, attack]): NamedAttack => [name, () => besiege(t, scene, count, attack)])
    await withstandsAll(t, scene, attacks)
  })
}

for (const [which, list] of [
  ['that send little', lateAttacks.slice(0, 3)],
  ['that send much', lateAttacks.slice(3)]
] as const) {
  test(`strangers ${which} through the DHT cost no memory and disturb no peer`, { skip }, async (t) => {
    const { addresses, text } = await startTestnet(t)
    const scene = await openScene(t, { bootstrap: text, tcp: false })
    const swarm = await findThroughDht(t, addresses, scene.writer.key)
    const attacks = list.map(([name, act]): NamedAttack => [name, () => besiegeThroughDht(t, swarm, 100, act)])
    await withstandsAll(t, scene, attacks)
  })
}

/** Attacks by peers with the key, 200 of them at once. */
const inside: ReadonlyArray<[name: string, act: (insider: Insider) => void]> = [
  ['that only stay', () => {}],
  ['that keep announcing that they carry the folder', (insider) => repeat(500, () => insider.carry?.send(null))],
  ['that keep announcing that they lost it', (insider) => repeat(500, () => insider.lost?.send(null))],
  [
    'that send requests without reading the answers',
    (insider) => {
      insider.socket.pause()
      repeat(2000, (i) => insider.ping?.send(i))
    }
  ],
  ['that introduce themselves repeatedly', (insider) => repeat(20, () => insider.introduce?.send(randomBytes(4000)))],
  ['that disconnect at once', (insider) => insider.stream.destroy()]
]

test('two hundred hostile peers with the key lock nobody out', { skip }, async (t) => {
  const scene = await openScene(t)
  const memory = watchMemory(t, scene.writer.pid)
  const secret = ids.decode(scene.writer.key)
  for (const [name, act] of inside) {
    const insiders: Insider[] = []
    for (let made = 0; made < 200; made += 5) {
      const options = { port: scene.port, secret, localAddress: '127.0.0.9' }
      const few = await Promise.all(Array.from({ length: 5 }, () => Insider.open(t, options)))
      for (const insider of few) if (!insider.isGone) act(insider)
      insiders.push(...few)
    }
    const [cloneMs, changeMs] = await Promise.all([scene.cloneAnew(), scene.changeArrives()])
    // A peer that doesn't read doesn't notice that it was dropped.
    for (const { socket } of insiders) socket.resume()
    const staying = () => insiders.filter(({ isGone }) => !isGone).length
    await until(() => staying() <= 64, { what: 'the surplus connections to close' })
    const stay = staying()
    const growth = memory.most() - memory.before
    t.comment(`${name}: ${stay} stay, change ${Math.round(changeMs)} ms, clone ${Math.round(cloneMs)} ms`)
    t.comment(`${growth.toFixed(1)} MB more than the ${memory.before.toFixed(1)} before`)
    t.ok(growth <= insidersMbMax, `they take ${growth.toFixed(1)} MB`)
    for (const insider of insiders) insider.socket.destroy()
  }
  const { writer, reader } = scene
  t.ok(writer.running && reader.running, 'both processes run')
  t.absent(/\n\s+at /.test(writer.stderr), 'no stack trace')
  t.ok(writer.stderr.split('\n').length < 20, 'few lines on stderr')
  const notices = writer.events.filter(({ type }) => type === 'notice')
  t.ok(notices.length <= 60, `${notices.length} notices`)
})
