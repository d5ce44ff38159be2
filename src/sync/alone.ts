import type { NetworkStatus } from '../net/network.ts'

/**
 * Why there is no peer, in a sentence or two for people, and what they can do about it.
 *
 * @param machine this machine's public key, as `id` prints it
 */
export function whyAlone({ dht, lan, unanswered, strangers, refusedBy }: NetworkStatus, machine: string): string {
  const notAllowed = refusedBy.filter(({ reason }) => reason === 'not-allowed')
  if (notAllowed.length > 0) return describeNotAllowed(listed(notAllowed), machine)
  if (refusedBy.length > 0) return `${listed(refusedBy)} has as many peers as it may have. It is asked again.`
  const facts = [...dhtFacts[dht], ...lanFacts[lan]]
  if (unanswered.length > 0) facts.push(`nobody answers at ${unanswered.join(' or ')}`)
  if (strangers.length > 0) facts.push(`who answers at ${strangers.join(' or ')} doesn't have this folder`)
  const advice =
    dht === 'reachable'
      ? 'Is the source running?'
      : 'Is the source running, and is the network up? p2psync doctor tells more.'
  return `${capitalised(facts.join(', '))}. ${advice}`
}

/** That a peer turns this machine away, and what to do about it. */
export function describeNotAllowed(address: string, machine: string): string {
  return (
    `${address} has the folder and turns this machine away: its public key, ${machine}, is not on the list of those ` +
    'who may connect. There it can be added, by --allow or as a line of .p2psync/allow. It is asked again.'
  )
}

function listed(peers: readonly { readonly address: string }[]): string {
  return [...new Set(peers.map(({ address }) => address))].join(' and ')
}

const dhtFacts: Readonly<Record<NetworkStatus['dht'], readonly string[]>> = {
  off: ['the DHT is off'],
  reachable: ['the DHT is reachable, but nobody who can be reached is there with this folder'],
  unreachable: ["the DHT can't be reached"]
}

const lanFacts: Readonly<Record<NetworkStatus['lan'], readonly string[]>> = {
  off: [],
  heard: ['other machines were heard on the local network, but none with this folder'],
  silent: ['nobody was heard on the local network'],
  blocked: ['there is no local network to search']
}

function capitalised(text: string): string {
  return text === '' ? 'There is no way to look for peers' : text.charAt(0).toUpperCase() + text.slice(1)
}
