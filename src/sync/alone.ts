import type { NetworkStatus } from '../net/network.ts'

/** Why there is no peer, in a sentence or two for people, and what they can do about it. */
export function whyAlone({ dht, lan, tcp, unanswered, refusedBy }: NetworkStatus): string {
  if (refusedBy.length > 0) {
    return (
      `${refusedBy.join(' and ')} has the folder and turns this machine away: its list of those who may connect ` +
      'lacks the public key that p2psync id prints here.'
    )
  }
  if (dht === 'off' && tcp === undefined) {
    return 'The DHT is off, and without TCP there is no other way to find a peer or to be found by one.'
  }
  const facts = [...dhtFacts[dht], ...lanFacts[lan]]
  if (unanswered.length > 0) facts.push(`nobody answers at ${unanswered.join(' or ')}`)
  const advice =
    dht === 'reachable'
      ? 'Is the source running?'
      : 'Is the source running, and is the network up? p2psync doctor tells more.'
  return `${capitalised(facts.join(', '))}. ${advice}`
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

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
