import type mdns from 'multicast-dns'

/** All that a peer announces on the local network: no name, no folder. Its address is the source of its packets. */
export interface Service {
  /** Identifies the folder: 32 hexadecimal digits. */
  readonly id: string
  /** In hexadecimal. */
  readonly publicKey: string
  /** Of its TCP server. */
  readonly port: number
}

/** A peer's announcement, as read from a packet. */
export interface Announcement {
  readonly publicKey: string
  readonly port: number
  /** How long it is valid, in seconds; 0 is a goodbye. */
  readonly ttlSeconds: number
}

type Answer = mdns.ResponseOutgoingPacket['answers'][number]

/** A received packet; nothing in it is validated. */
export interface IncomingPacket {
  readonly questions?: readonly unknown[] | undefined
  readonly answers?: readonly unknown[] | undefined
  readonly additionals?: readonly unknown[] | undefined
}

export const ttlSecondsMax = 120

/** Occurs verbatim in every packet that names the service. */
export const serviceLabel = '_p2psync'

const serviceName = `${serviceLabel}._tcp.local`
/** Records read per packet. Ours have three, packets that announce many services a few dozen. */
const recordsMax = 64
/** Known answers per query: names of about 70 bytes, which must fit into one datagram with the question. */
const knownMax = 10

/** The records that announce a service, or withdraw it when `ttlSeconds` is 0. */
export function announce(service: Service, ttlSeconds = ttlSecondsMax): mdns.ResponseOutgoingPacket {
  const { id, publicKey, port } = service
  const name = instanceName(id, publicKey)
  const target = `${publicKey.slice(0, 16)}.local`
  return {
    answers: [
      { name: serviceName, type: 'PTR', ttl: ttlSeconds, data: name },
      { name, type: 'SRV', ttl: ttlSeconds, flush: true, data: { port, target, priority: 0, weight: 0 } },
      { name, type: 'TXT', ttl: ttlSeconds, flush: true, data: ['v=1', `id=${id}`, `pk=${publicKey}`] }
    ]
  }
}

/** A query for the service. @param known the public keys of peers that needn't answer */
export function queryFor(id: string, known: readonly string[]): mdns.QueryOutgoingPacket {
  const answers = known.slice(0, knownMax).map(
    (publicKey): Answer => ({
      name: serviceName,
      type: 'PTR',
      ttl: ttlSecondsMax,
      data: instanceName(id, publicKey)
    })
  )
  return { questions: [{ name: serviceName, type: 'PTR' }], answers }
}

/** Whether a query asks for our service and doesn't list us as known. */
export function asksFor(query: IncomingPacket, { id, publicKey }: Service): boolean {
  const asks = records(query.questions).some(
    ({ name, type }) => name === serviceName && (type === 'PTR' || type === 'ANY')
  )
  const ours = instanceName(id, publicKey)
  return (
    asks &&
    !records(query.answers).some(({ name, type, data }) => name === serviceName && type === 'PTR' && data === ours)
  )
}

/** The announcements of a folder's peers in a response. */
export function readAnnouncements(response: IncomingPacket, id: string): Announcement[] {
  const all = [...records(response.answers), ...records(response.additionals)].slice(0, recordsMax)
  const announcements: Announcement[] = []
  for (const text of all) {
    const publicKey = text.type === 'TXT' ? readKey(text.data, id) : undefined
    if (publicKey === undefined || text.name !== instanceName(id, publicKey)) continue
    const server = all.find(({ name, type }) => type === 'SRV' && name === text.name)
    const port = readPort(server?.data)
    if (server === undefined || port === undefined) continue
    announcements.push({ publicKey, port, ttlSeconds: Math.min(readTtl(server.ttl), readTtl(text.ttl)) })
  }
  return announcements
}

function instanceName(id: string, publicKey: string): string {
  return `${id}-${publicKey.slice(0, 16)}.${serviceName}`
}

/** The public key in a TXT record, if it has our format and is of this folder. */
function readKey(data: unknown, id: string): string | undefined {
  if (!Array.isArray(data)) return undefined
  const fields = data.slice(0, recordsMax).map((field) => (field instanceof Uint8Array ? String(field) : ''))
  if (!fields.includes('v=1') || !fields.includes(`id=${id}`)) return undefined
  const key = fields.find((field) => field.startsWith('pk='))?.slice('pk='.length)
  return key !== undefined && /^[0-9a-f]{64}$/.test(key) ? key : undefined
}

function readPort(data: unknown): number | undefined {
  const port = isObject(data) ? data.port : undefined
  return typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined
}

function readTtl(ttl: unknown): number {
  return typeof ttl === 'number' && ttl >= 0 ? Math.min(ttl, ttlSecondsMax) : 0
}

function records(section: readonly unknown[] | undefined): Readonly<Record<string, unknown>>[] {
  return Array.isArray(section) ? section.slice(0, recordsMax).filter(isObject) : []
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
