import { isAbsolute, join, resolve } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import {
  isLocked,
  kindAt,
  lastOwnTimeMs,
  probeDisk,
  probeNotifications,
  probeSpace,
  tcpPortHolder
} from '../disk/path/probe.ts'
import { readIdentity } from '../disk/state/identity.ts'
import { readMarker } from '../disk/state/marker.ts'
import { messageOf, SyncError } from '../errors.ts'
import { inspectStore } from '../log/check/health.ts'
import { parseKey, printKey } from '../log/hypercore/store.ts'
import type { Address } from '../net/address/address.ts'
import { isOwnHost } from '../net/address/interfaces.ts'
import { congestionControl } from '../net/congestion.ts'
import { probeDht, probeMulticast, probeTcpPort, probeUdp, publicNodes } from '../net/probe.ts'
import { findPeers } from '../peers/find-peers.ts'
import { isLanForbidden } from '../peers/lan-switch.ts'
import { stateDirectoryName } from '../tree/path.ts'
import {
  type Check,
  type Finding,
  failed,
  judgeClock,
  judgeCongestion,
  judgeDht,
  judgeDisk,
  judgeMemory,
  judgeMulticast,
  judgeNat,
  judgeNode,
  judgeNotifications,
  judgePeers,
  judgeSpace,
  judgeTcpPort,
  judgeUdp,
  ok,
  warning
} from './checks.ts'
import { check } from './run-check.ts'

/** What `diagnose` tests, and through which nodes it joins the DHT. */
export interface DiagnoseOptions {
  /** A directory to check, or the key of a folder whose peers to look for. */
  readonly target?: string
  /** The first nodes of the DHT; the public ones when left out, none to do without the DHT. */
  readonly bootstrap?: readonly Address[]
  /** Whether to send no multicast on the local network. */
  readonly noLan?: boolean
  /** The TCP port to try; any free one when left out. */
  readonly port?: number
}

/** The time for a probe, which leaves some of a check's time to close what it opened. */
const probeMsMax = 4000
/** A disk that sleeps takes some seconds to turn. */
const diskMsMax = 5000
/** Less than for other probes: closing the network takes time too. */
const peersMsMax = 3500
const nodeMin = [20, 19] as const

/**
 * Checks what p2psync depends on, on this machine and around it, with advice where something is wrong. No check throws: an
 * error becomes its result.
 *
 * @throws {SyncError} BAD_KEY, FOLDER_MISSING before the first check, when the target is neither key nor directory
 */
export async function* runDiagnosis(requested: DiagnoseOptions = {}): AsyncGenerator<Check, void, undefined> {
  const options = { ...requested, noLan: requested.noLan === true || isLanForbidden() }
  const { directory, key, isSilent } = await targetOf(options.target)
  const startMs = { wall: Date.now(), steady: performance.now() }
  // All begin at once; their results come in this order.
  const checks = [
    ...networkChecks(options),
    ...(isSilent ? [check('file-system', async () => silentDisk(directory))] : diskChecks(directory)),
    ...machineChecks(),
    ...(key === undefined ? [] : [check('peers', () => checkPeers(key, options))])
  ]
  for (const each of checks) yield await each
  yield check('clock', async () => {
    const nowMs = Date.now()
    const jumpMs = nowMs - startMs.wall - (performance.now() - startMs.steady)
    return judgeClock({
      nowMs,
      jumpMs,
      lastMs: directory === undefined || isSilent ? undefined : lastOwnTimeMs(directory)
    })
  })
}

interface Target {
  readonly directory?: string
  readonly key?: string
  /** Whether the disk of the directory, or else of the working directory, doesn't answer. */
  readonly isSilent: boolean
}

async function targetOf(target: string | undefined): Promise<Target> {
  const path = resolve(target ?? '.')
  const kind = await kindAt(path, diskMsMax)
  const isSilent = kind === 'silent'
  if (target === undefined) return { isSilent }
  if (kind === 'directory' || isSilent) return { directory: path, isSilent }
  if (kind === 'unreadable') throw new SyncError('FOLDER_UNREADABLE', `Can't read ${path}`)
  if (kind === 'other') throw new SyncError('FOLDER_MISSING', `${path} is not a directory. Give a directory`)
  if (isAbsolute(target) || /[/\\]|^\./.test(target)) {
    throw new SyncError('FOLDER_MISSING', `There is no directory ${path}`)
  }
  try {
    parseKey(target)
  } catch (error) {
    throw new SyncError('BAD_KEY', `${messageOf(error)}; nor is there a directory of that name`, { cause: error })
  }
  return { key: target, isSilent: false }
}

function silentDisk(directory = process.cwd()): Finding {
  return failed(
    `the disk of ${directory} does not answer`,
    'is it a network disk whose server is away, or a USB disk that was unplugged? Bring it back, or unmount it'
  )
}

function networkChecks({ bootstrap, noLan = false, port }: DiagnoseOptions): readonly Promise<Check>[] {
  const nodes = bootstrap ?? publicNodes()
  const withoutDht = nodes.length === 0
  const dht = withoutDht ? undefined : probeDht(nodes, probeMsMax)
  dht?.catch(() => {}) // Both of its checks report the failure.
  return [
    check('udp', async () => judgeUdp(await probeUdp(nodes), withoutDht)),
    check('dht', async () => (dht === undefined ? ok('off') : judgeDht(await dht, bootstrap === undefined))),
    check('nat', async () => (dht === undefined ? ok('not asked for, without a DHT') : judgeNat(await dht, isOwnHost))),
    check('multicast', async () => (noLan ? ok('off') : judgeMulticast(await probeMulticast(), withoutDht))),
    check('tcp-port', async () => {
      const code = await probeTcpPort(port)
      const holder = code === 'EADDRINUSE' && port !== undefined ? tcpPortHolder(port) : undefined
      return judgeTcpPort(port, code, holder)
    }),
    check('tcp-congestion', async () => judgeCongestion(congestionControl()))
  ]
}

function diskChecks(directory: string | undefined): readonly Promise<Check>[] {
  const place = directory ?? process.cwd()
  return [
    check('file-system', () => checkFileSystem(place)),
    check('space', async () => judgeSpace(await probeSpace(place), place, showBytes)),
    check('notifications', async () => {
      return judgeNotifications(await probeNotifications(directory, AbortSignal.timeout(probeMsMax)))
    }),
    ...(directory === undefined ? [] : [check('store', () => checkStore(directory))])
  ]
}

function machineChecks(): readonly Promise<Check>[] {
  return [
    check('node', async () => judgeNode(process.versions.node, nodeMin)),
    check('memory', async () => {
      return judgeMemory(process.availableMemory(), getHeapStatistics().heap_size_limit, showBytes)
    })
  ]
}

async function checkFileSystem(place: string): Promise<Finding> {
  try {
    return judgeDisk(await probeDisk(place))
  } catch (error) {
    if (!(error instanceof SyncError)) throw error
    const message = `can't be tried: ${messageOf(error)}`
    if (error.code === 'DISK_FULL') return warning(message, 'free some space')
    return warning(message, 'a folder has to be written to: a mirror for its files, a share for .p2psync')
  }
}

async function checkStore(root: string): Promise<Finding> {
  const marker = readMarker(root)
  if (marker === undefined) return ok('none: this is no folder of p2psync')
  const isHeld = () => isLocked(join(root, stateDirectoryName, 'lock'))
  const inUse = ok('in use by a running p2psync, which looks after it')
  if (isHeld()) return inUse
  const store = join(marker.state ?? join(root, stateDirectoryName), 'store')
  if (marker.key === null) return ok('empty: it was never shared to the end')
  try {
    const { version, head } = await inspectStore(store, marker.key)
    if (version === undefined) return ok('can be read; it has no version yet')
    const made = head === undefined ? '' : `, made at ${new Date(head.timeMs).toISOString().slice(0, 19)}Z`
    return ok(`can be read; its latest version is ${version.length}${made}`)
  } catch (error) {
    // A folder that was opened meanwhile may have changed the store while we read it.
    if (isHeld()) return inUse
    const advice =
      marker.role === 'reader'
        ? 'clone --rebuild sets it aside and fetches it anew; your files stay'
        : 'the files are untouched. Restore .p2psync from a backup and give share --moved; without one, the key is lost'
    return failed(messageOf(error), advice)
  }
}

async function checkPeers(key: string, { bootstrap, noLan = false }: DiagnoseOptions): Promise<Finding> {
  const machine = readIdentity()
  const facts = await findPeers({ key, machine, bootstrap, lan: !noLan, ms: peersMsMax })
  return judgePeers(facts, printKey(machine.publicKey))
}

function showBytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`
}
