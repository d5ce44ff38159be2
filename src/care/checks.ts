import type { DiskFacts, Holder, NotificationFacts, SpaceFacts } from '../disk/path/probe.ts'
import type { DhtFacts, MulticastFacts, UdpFacts } from '../net/probe.ts'
import type { NetworkStatus, PeerStatus } from '../net/status.ts'
import { explainNoPeers } from '../peers/explain-no-peers.ts'

/** The result of checking one thing that p2psync depends on. */
export interface Check {
  /** The name of the checked thing. FORMAT: names never change. */
  readonly name: string
  readonly state: 'ok' | 'warning' | 'failure'
  readonly message: string
  /** How to mend it. */
  readonly advice?: string
}

/** A check without its name. */
export type Finding = Omit<Check, 'name'>

export function ok(message: string): Finding {
  return { state: 'ok', message }
}

export function warning(message: string, advice?: string): Finding {
  return { state: 'warning', message, ...(advice === undefined ? {} : { advice }) }
}

export function failed(message: string, advice?: string): Finding {
  return { state: 'failure', message, ...(advice === undefined ? {} : { advice }) }
}

const freeShareMin = 0.05
const freeBytesMin = 1e9
const mb = 1e6

/** The result of a search for the peers of a folder. */
export interface PeerFacts {
  readonly peers: readonly Pick<PeerStatus, 'address' | 'transport' | 'rttMs'>[]
  readonly status: NetworkStatus
}

export function judgePeers({ peers, status }: PeerFacts, machine: string): Finding {
  if (peers.length === 0)
    return failed('found no peer that has this folder', explainNoPeers(status, { machine, isSource: false }))
  const all = peers.map(({ address, transport, rttMs }) => {
    return `${address} by ${transport.toUpperCase()}, ${Math.round(rttMs * 10) / 10} ms away`
  })
  return ok(all.join('; '))
}

export function judgeUdp({ from, reason }: UdpFacts, isOnlyLocal: boolean): Finding {
  if (from !== undefined) return ok(`packets leave from ${from}`)
  if (reason !== 'ENETUNREACH' && reason !== 'EHOSTUNREACH') {
    return failed(`UDP doesn't work here: ${reason}`, "let this program open UDP sockets; check the system's firewall")
  }
  const message = 'no route out of this network'
  if (isOnlyLocal) return warning(message, 'peers are found on this machine and on its local network only')
  return failed(message, 'connect this machine to the network, or use --bootstrap none to do without the DHT')
}

export function judgeDht({ nodes }: DhtFacts, isPublic: boolean): Finding {
  const times = nodes.map(({ rttMs }) => rttMs).filter((rttMs) => rttMs !== undefined)
  const which = isPublic ? 'public' : 'private'
  if (times.length > 0) {
    const silent = nodes.length - times.length
    const message = `${which}, reached in ${Math.max(1, Math.round(Math.min(...times)))} ms`
    return ok(silent === 0 ? message : `${message}; ${silent} of its first ${nodes.length} nodes did not answer`)
  }
  const names = nodes.map(({ node, reason }) => (reason === undefined ? node : `${node} (${reason})`)).join(', ')
  return failed(
    `none of the ${which} DHT's first nodes answers: ${names}`,
    isPublic
      ? 'let UDP out in the firewall; or run p2psync bootstrap on a machine that all reach, and give its address as --bootstrap'
      : 'is p2psync bootstrap running there, and are its five UDP ports let in?'
  )
}

/** As many nodes must have seen our address before the kind of NAT shows. */
const samplesMin = 3

export function judgeNat({ seenAs, open, nodes }: DhtFacts, isOwn: (host: string) => boolean): Finding {
  if (nodes.every(({ rttMs }) => rttMs === undefined)) {
    return warning('not known, since the DHT was not reached')
  }
  if (seenAs.length < samplesMin) {
    return warning(
      `not known: ${seenAs.length} nodes answered, and ${samplesMin} are needed to tell`,
      'peers may take 15 s to connect, or fail to; a DHT needs four nodes or more, as p2psync bootstrap runs'
    )
  }
  const [first] = seenAs
  const hosts = new Set(seenAs.map(({ host }) => host))
  const ports = new Set(seenAs.map(({ host, port }) => `${host}:${port}`))
  const who = `${[...hosts].join(', ')}${ports.size === 1 ? `:${first?.port}` : ''}`
  if ([...hosts].every(isOwn)) return ok(`none on the way: others see ${who}, which is this machine's own`)
  if (open) return ok(`open: anybody can reach this machine at ${who}`)
  // A single other port may come from a node that lies, or from a mapping that expired meanwhile.
  if (ports.size <= Math.max(1, Math.floor(seenAs.length / 4))) {
    return ok(
      `easy: all others see one address, ${who}; peers get through, unless their own network is hard and no port is open here`
    )
  }
  return warning(
    `hard: each peer sees another port of ${[...hosts].join(', ')}, so two networks of this kind can't connect directly`,
    'forward a TCP port to this machine in the router and give it as --port; or make sure that one of the peers ' +
      'is easy to reach: it serves the others'
  )
}

export function judgeMulticast(all: readonly MulticastFacts[], isOnlyWay: boolean): Finding {
  const bad = isOnlyWay ? failed : warning
  if (all.length === 0) {
    return bad('no network but loopback', 'connect this machine; on one machine, peers find each other without')
  }
  const works = all.filter(({ heard }) => heard)
  const broken = all.filter(({ heard }) => !heard)
  const others = Math.max(0, ...all.map((facts) => facts.others))
  const names = (some: readonly MulticastFacts[]) => some.map((facts) => facts.interface).join(', ')
  const silent = broken.map((facts) => `${facts.interface}: ${facts.reason ?? 'nothing heard'}`).join('; ')
  const advice = 'let UDP port 5353 and the groups 224.0.0.251 and ff02::fb pass in the firewall of this machine'
  if (works.length === 0) return bad(`does not work: ${silent}`, advice)
  if (broken.length > 0) return warning(`works on ${names(works)}, but not on ${silent}`, advice)
  // The system loops our own packet back without sending it: only an answer proves that the network carries it.
  const heard = others > 0 ? `${others} other machines answer` : 'nobody else answers, which may well be so'
  return ok(`works on ${names(works)}; ${heard}`)
}

export function judgeTcpPort(port: number | undefined, code: string | undefined, holder: Holder | undefined): Finding {
  if (code === undefined) return ok(port === undefined ? 'a port can be opened' : `${port} can be opened`)
  if (code === 'EADDRINUSE') {
    if (holder === undefined) return failed(`${port} is in use by another process`, 'end it, or give another --port')
    const who = `process ${holder.pid} (${holder.args.join(' ').slice(0, 100)})`
    if (isOurs(holder)) return ok(`${port} is in use by p2psync, ${who}`)
    return failed(`${port} is in use by ${who}`, 'end it, or give another --port')
  }
  if (code === 'EACCES') return failed(`${port} may not be opened by this user`, 'give a --port from 1024 on')
  return failed(`no TCP port can be opened: ${code}`, 'let this program open TCP sockets')
}

/** Whether a process runs p2psync, by itself or through Node. */
function isOurs({ args }: Holder): boolean {
  return args.slice(0, 2).some((arg) => /^(.*[/\\])?p2psync(\.js)?$/.test(arg))
}

export function judgeCongestion(algorithm: string | undefined): Finding {
  if (algorithm === undefined) return ok('unknown on this system')
  if (algorithm === 'bbr') return ok('bbr: fast over far and lossy lines too')
  return ok(`${algorithm}: fast nearby; it breaks down on far lossy lines, where UDP is used instead`)
}

export function judgeNotifications(facts: NotificationFacts): Finding {
  const { watchesMax, instancesMax, reason, directories, isCounted } = facts
  const needed =
    directories === undefined
      ? ''
      : `; this one has ${isCounted ? '' : 'more than '}${directories} ${directories === 1 ? 'directory' : 'directories'}`
  if (reason === 'EMFILE') {
    const advice = `sysctl fs.inotify.max_user_instances=${Math.max(1024, 2 * (instancesMax ?? 0))}`
    return failed(`no more programs can watch: all ${instancesMax} instances are in use`, advice)
  }
  if (reason === 'ENOSPC') return failed(`all ${watchesMax} watches are in use${needed}`, watchesAdvice(facts))
  if (reason !== undefined) return failed(`directories can't be watched: ${reason}`, 'share --poll does without')
  if (watchesMax === undefined) return ok('directories can be watched')
  // Other programs of the same user need watches too.
  if (directories !== undefined && directories > 0.9 * watchesMax) {
    return failed(`up to ${watchesMax} directories can be watched${needed}`, watchesAdvice(facts))
  }
  return ok(`up to ${watchesMax} directories can be watched${needed}`)
}

function watchesAdvice({ watchesMax = 0, directories = 0 }: NotificationFacts): string {
  const enough = 2 ** Math.ceil(Math.log2(Math.max(524_288, 2 * watchesMax, 2 * directories)))
  return `sysctl fs.inotify.max_user_watches=${enough}, and the same line in /etc/sysctl.d/; or share --poll`
}

export function judgeDisk({ traits, keepsLinks }: DiskFacts): Finding {
  const oddities = [
    traits.foldsCase ? 'A and a are one name' : undefined,
    traits.foldsUnicode === 'none' ? undefined : 'two spellings of é are one name',
    traits.keepsModes ? undefined : 'permissions are not kept',
    traits.timeStepMs === 1 ? undefined : `times are kept to ${traits.timeStepMs} ms`,
    keepsLinks ? undefined : 'there are no symlinks'
  ].filter((oddity) => oddity !== undefined)
  if (oddities.length === 0) return ok('tells case and spelling apart; keeps permissions, times and symlinks')
  const needsCare = traits.foldsCase || traits.foldsUnicode !== 'none' || !keepsLinks
  const message = oddities.join('; ')
  return needsCare
    ? warning(message, 'names that clash are kept under others, and what does not fit is reported; nothing is lost')
    : ok(message)
}

export function judgeSpace(
  { freeBytes, totalBytes, freeFiles }: SpaceFacts,
  place: string,
  show: (bytes: number) => string
): Finding {
  const share = totalBytes > 0 ? freeBytes / totalBytes : 1
  const message = `${show(freeBytes)} of ${show(totalBytes)} free on the disk of ${place}`
  if (freeFiles !== undefined && freeFiles < 1000) {
    return warning(`${message}, but only ${freeFiles} more files can be made`, 'remove files, or use another disk')
  }
  if (share >= freeShareMin && freeBytes >= freeBytesMin) return ok(message)
  return warning(message, 'free some: the log takes about as much as the folder. On a full disk work stops and waits')
}

const clockSlackMs = 60_000
/** No clock that is right shows a time before p2psync existed. */
const firstTimeMs = Date.UTC(2025, 0, 1)
const lastTimeMs = Date.UTC(2100, 0, 1)

export interface ClockFacts {
  readonly nowMs: number
  /** When p2psync last wrote here, by this machine's clock. */
  readonly lastMs: number | undefined
  /** By how much the clock was set while the other checks ran, in milliseconds. */
  readonly jumpMs: number
}

export function judgeClock({ nowMs, lastMs, jumpMs }: ClockFacts): Finding {
  const advice = 'set the clock, and let it be kept right (NTP)'
  const now = `${new Date(nowMs).toISOString().slice(0, 19)}Z`
  if (nowMs < firstTimeMs || nowMs > lastTimeMs) return warning(`the clock shows ${now}`, advice)
  if (lastMs !== undefined && lastMs > nowMs + clockSlackMs) {
    return warning(`${now}, but p2psync wrote here at ${new Date(lastMs).toISOString().slice(0, 19)}Z`, advice)
  }
  if (Math.abs(jumpMs) > 1000) return warning(`it was set by ${Math.round(jumpMs / 1000)} s just now`, advice)
  return ok(`${now}, as far as this machine can tell; no order depends on it`)
}

export function judgeNode(version: string, [major, minor]: readonly [number, number]): Finding {
  const [has = 0, hasMinor = 0] = version.split('.').map(Number)
  if (has > major || (has === major && hasMinor >= minor)) return ok(`Node.js ${version}`)
  return failed(`Node.js ${version}`, `install Node.js ${major}.${minor} or newer`)
}

const memoryMin = 256 * mb

export function judgeMemory(availableBytes: number, heapBytesMax: number, show: (bytes: number) => string): Finding {
  const message = `${show(availableBytes)} available, of it ${show(heapBytesMax)} for objects`
  if (Math.min(availableBytes, heapBytesMax) >= memoryMin) return ok(message)
  return warning(message, `give it ${show(memoryMin)}: the limit of the container or service, or --max-old-space-size`)
}
