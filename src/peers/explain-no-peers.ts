import type { NetworkStatus } from '../net/status.ts'

export interface ExplainNoPeersOptions {
  /** This machine's public key, as `id` prints it. */
  readonly machine: string
  /** Whether this end is the source; the source of a mirror may be off. */
  readonly isSource: boolean
}

/** Why no peer is connected, and what people can do about it, in a sentence or two. */
export function explainNoPeers(status: NetworkStatus, { machine, isSource }: ExplainNoPeersOptions): string {
  const { dht, lan, tcp, unanswered, strangers, refusedBy, unreachable } = status
  const notAllowed = refusedBy.filter(({ reason }) => reason === 'not-allowed')
  if (notAllowed.length > 0) return describeNotAllowed(listed(notAllowed), machine)
  if (refusedBy.length > 0) return `${listed(refusedBy)} has as many peers as it may have. It is asked again.`
  if (unreachable > 0) return describeUnreachable(status)
  if (dht === 'off' && tcp === undefined) {
    return 'The DHT is off, and without TCP there is no other way to find a peer or to be found by one.'
  }
  const facts = [...dhtFacts[dht], ...lanFacts[lan]]
  if (unanswered.length > 0) facts.push(`nobody answers at ${unanswered.join(' or ')}`)
  if (strangers.length > 0) facts.push(`who answers at ${strangers.join(' or ')} doesn't have this folder`)
  const advice = [
    ...(isSource ? [] : ['Is the source running?']),
    ...(dht === 'reachable' ? [] : ['p2psync doctor tells more.'])
  ]
  return [`${capitalised(facts.join(', '))}.`, ...advice].join(' ')
}

/** Tells that a peer refuses this machine, and what to do about it. */
export function describeNotAllowed(address: string, machine: string): string {
  return (
    `${address} has the folder and turns this machine away: its public key, ${machine}, is not on the list of those ` +
    'who may connect. There it can be added, by --allow or as a line of .p2psync/allow. It is asked again.'
  )
}

/** A peer answers through the DHT, but neither end could reach the other. */
function describeUnreachable({ nat, unreachable, unanswered }: NetworkStatus): string {
  const who = unreachable === 1 ? 'A peer with this folder answers' : `${unreachable} peers with this folder answer`
  const given = unanswered.length > 0 ? ` Nobody answers at ${unanswered.join(' or ')}.` : ''
  return (
    `${who} through the DHT, but no direct way was found so far: ${natFacts[nat]}.${given} What always works is ` +
    'port forwarding: let the router at one end forward a TCP port to the machine there, run p2psync there with ' +
    "--port and that port, and at the other end with --peer and that router's public address and port, such as " +
    '--peer 203.0.113.7:4000.'
  )
}

const blocked = 'a router or firewall, here or at the other end, lets no UDP packets through between the two'

const natFacts: Readonly<Record<NetworkStatus['nat'], string>> = {
  open: blocked,
  steady: blocked,
  changing: 'the router here uses another port for every connection, and the one at the other end seems to do so too',
  unknown: 'the DHT has too few nodes to find one; p2psync bootstrap runs as many as it takes'
}

const dhtFacts: Readonly<Record<NetworkStatus['dht'], readonly string[]>> = {
  off: ['the DHT is off'],
  reachable: ['the DHT is reachable, but nobody who can be reached is there with this folder'],
  unreachable: ["the DHT can't be reached"]
}

const lanFacts: Readonly<Record<NetworkStatus['lan'], readonly string[]>> = {
  off: ['the local network is not searched'],
  heard: ['other machines were heard on the local network, but none with this folder'],
  silent: ['nobody was heard on the local network'],
  blocked: ['there is no local network to search']
}

function listed(peers: readonly { readonly address: string }[]): string {
  return [...new Set(peers.map(({ address }) => address))].join(' and ')
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
