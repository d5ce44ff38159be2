import { test } from 'brittle'
import fc from 'fast-check'
import { type Act, type Path, Paths, type Transport } from '../../src/net/paths.ts'
import { holds } from '../support/property.ts'

/** An event at one end of a peering. */
interface Event {
  readonly atMs: number
  readonly up?: Partial<Path> & { readonly id: number; readonly transport: Transport }
  readonly down?: number
  readonly rtt?: readonly [id: number, rttMs: number]
}

interface Scene {
  readonly decides?: boolean
  readonly mayCome?: readonly Transport[]
}

const path = { dialledBy: 'us', rttMs: 1, nearMs: 5 } as const

/** The resulting actions with their times, such as `1200 carry 1`. Calls `decide` whenever it is due. */
function play(events: readonly Event[], { decides = true, mayCome = [] }: Scene = {}): string[] {
  const paths = new Paths({ decides, mayCome: (transport) => mayCome.includes(transport) })
  const done: string[] = []
  const record = (nowMs: number, acts: readonly Act[]) => {
    for (const { type, id } of acts) done.push(`${nowMs} ${type} ${id}`)
  }
  const catchUp = (untilMs: number) => {
    for (let dueMs = paths.dueMs; dueMs !== undefined && dueMs <= untilMs; dueMs = paths.dueMs) {
      record(dueMs, paths.decide(dueMs))
      if (paths.dueMs === dueMs) throw new Error(`Still due at ${dueMs}`)
    }
  }
  for (const { atMs, up, down, rtt } of events) {
    catchUp(atMs)
    if (up !== undefined) record(atMs, paths.up({ ...path, openedMs: atMs, upMs: atMs, ...up }, atMs))
    if (down !== undefined) record(atMs, paths.down(down, atMs))
    if (rtt !== undefined) record(atMs, paths.measured(...rtt, atMs))
  }
  catchUp(Number.MAX_SAFE_INTEGER)
  return done
}

const tcp = (id: number, path: Partial<Path> = {}) => ({ id, transport: 'tcp', ...path }) as const
const udx = (id: number, path: Partial<Path> = {}) => ({ id, transport: 'udx', ...path }) as const
const far = { rttMs: 40 }

const cases: ReadonlyArray<[name: string, events: readonly Event[], done: readonly string[], scene?: Scene]> = [
  ['uses the only path', [{ atMs: 0, up: udx(1) }], ['0 carry 1']],
  ['uses near TCP', [{ atMs: 0, up: tcp(1) }], ['0 carry 1']],
  ['uses far TCP when there is no other path', [{ atMs: 0, up: tcp(1, far) }], ['0 carry 1']],
  [
    'waits briefly for TCP that is being dialled',
    [
      { atMs: 0, up: udx(1) },
      { atMs: 30, up: tcp(2) }
    ],
    ['30 carry 2'],
    { mayCome: ['tcp'] }
  ],
  ['stops waiting for TCP after 400 ms', [{ atMs: 0, up: udx(1) }], ['400 carry 1'], { mayCome: ['tcp'] }],
  [
    'waits briefly for UDX when TCP is far',
    [
      { atMs: 0, up: tcp(1, far) },
      { atMs: 100, up: udx(2, far) }
    ],
    ['100 carry 2'],
    { mayCome: ['tcp', 'udx'] }
  ],
  [
    'moves to TCP when it comes up, and closes UDX',
    [
      { atMs: 0, up: udx(1) },
      { atMs: 5000, up: tcp(2) }
    ],
    ['0 carry 1', '5000 carry 2', '5300 drop 1']
  ],
  [
    'keeps UDX as a spare that never carried',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 100, up: udx(2) }
    ],
    ['0 carry 1']
  ],
  [
    'uses the spare at once when TCP dies',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 100, up: udx(2) },
      { atMs: 9000, down: 1 }
    ],
    ['0 carry 1', '9000 carry 2']
  ],
  [
    'stays with UDX when TCP is far',
    [
      { atMs: 0, up: udx(1, far) },
      { atMs: 100, up: tcp(2, far) }
    ],
    ['0 carry 1']
  ],
  [
    'moves to UDX when TCP is far',
    [
      { atMs: 0, up: tcp(1, far) },
      { atMs: 100, up: udx(2, far) }
    ],
    ['0 carry 1', '100 carry 2', '400 drop 1']
  ],
  [
    'uses far TCP that tolerates loss',
    [
      { atMs: 0, up: udx(1, far) },
      { atMs: 100, up: tcp(2, { ...far, nearMs: Number.POSITIVE_INFINITY }) }
    ],
    ['0 carry 1', '100 carry 2', '400 drop 1']
  ],
  [
    'moves to TCP that turns out to be near',
    [
      { atMs: 0, up: udx(1) },
      { atMs: 10, up: tcp(2, { rttMs: 12 }) },
      { atMs: 50, rtt: [2, 0.4] }
    ],
    ['0 carry 1', '50 carry 2', '350 drop 1']
  ],
  [
    'ignores a longer round trip than the shortest',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 10, up: udx(2) },
      { atMs: 50, rtt: [1, 80] }
    ],
    ['0 carry 1']
  ],
  [
    'keeps its own connection of two that crossed',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 20, up: tcp(2, { dialledBy: 'them' }) }
    ],
    ['0 carry 1', '20 drop 2']
  ],
  [
    'carries over the kept connection before it closes the other',
    [
      { atMs: 0, up: tcp(1, { dialledBy: 'them' }) },
      { atMs: 20, up: tcp(2) }
    ],
    ['0 carry 1', '20 carry 2', '320 drop 1']
  ],
  [
    'keeps its own connection when the other opened at the same time and came up much later',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 3000, up: tcp(2, { dialledBy: 'them', openedMs: 100 }) }
    ],
    ['0 carry 1', '3000 drop 2']
  ],
  [
    'moves to a later connection, since the other end has lost the earlier one',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 9000, up: tcp(2, { dialledBy: 'them' }) }
    ],
    ['0 carry 1', '9000 carry 2', '9300 drop 1']
  ],
  [
    'takes no action at the end that does not decide',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 100, up: tcp(2) },
      { atMs: 200, down: 1 }
    ],
    [],
    { decides: false }
  ]
]
for (const [name, events, done, scene] of cases) {
  test(`a peering ${name}`, (t) => t.alike(play(events, scene), [...done]))
}

test('the end that does not decide knows the carrier', (t) => {
  const paths = new Paths({ decides: false, mayCome: () => false })
  paths.up({ ...path, id: 1, transport: 'udx', openedMs: 0, upMs: 0 }, 0)
  t.is(paths.carrier, undefined)
  paths.carriedByPeer(1, 10)
  t.is(paths.carrier?.id, 1)
  paths.up({ ...path, id: 2, transport: 'tcp', openedMs: 20, upMs: 20 }, 20)
  paths.carriedByPeer(2, 30)
  t.is(paths.carrier?.id, 2)
  paths.down(2, 40)
  t.is(paths.carrier?.id, 1)
})

const eventArbitrary = fc.record({
  gapMs: fc.nat(5000),
  id: fc.integer({ min: 1, max: 6 }),
  what: fc.constantFrom('tcp', 'udx', 'down', 'rtt'),
  rttMs: fc.double({ min: 0.1, max: 100, noNaN: true }),
  dialledBy: fc.constantFrom('us', 'them'),
  nearMs: fc.constantFrom(5, 20, Number.POSITIVE_INFINITY)
})

test('after any events, exactly one path carries if there is any', async (t) => {
  await holds(
    t,
    fc.property(fc.array(eventArbitrary, { maxLength: 40 }), fc.boolean(), (events, mayCome) => {
      const paths = new Paths({ decides: true, mayCome: () => mayCome })
      /** Whether each open path carries. */
      const open = new Map<number, boolean>()
      const apply = (acts: readonly Act[]) => {
        for (const { type, id } of acts) {
          if (!open.has(id)) throw new Error(`${type} of ${id}, which is not open`)
          if (type === 'drop') open.delete(id)
          else if (open.get(id)) throw new Error(`${id} carries already`)
          else open.set(id, true)
        }
      }
      let nowMs = 0
      for (const { gapMs, id, what, ...path } of events) {
        nowMs += gapMs
        if (paths.dueMs !== undefined && paths.dueMs <= nowMs) apply(paths.decide(nowMs))
        if (what === 'rtt') apply(paths.measured(id, path.rttMs, nowMs))
        else if (what === 'down' || open.has(id)) {
          open.delete(id)
          apply(paths.down(id, nowMs))
        } else {
          open.set(id, false)
          apply(paths.up({ ...path, id, transport: what as Transport, openedMs: nowMs, upMs: nowMs } as Path, nowMs))
        }
      }
      for (let dueMs = paths.dueMs; dueMs !== undefined; dueMs = paths.dueMs) apply(paths.decide(dueMs))
      const carrying = [...open].filter(([, carries]) => carries)
      if (carrying.length !== Math.min(1, open.size)) throw new Error(`${carrying.length} of ${open.size} carry`)
      const kinds = new Set([...open.keys()].map((id) => paths.get(id)?.transport))
      if (kinds.size !== open.size) throw new Error('Two paths over one transport stay')
    })
  )
})
