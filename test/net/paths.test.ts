import { test } from 'brittle'
import fc from 'fast-check'
import { type Act, type Path, Paths, type Transport } from '../../src/net/paths.ts'
import { holds } from '../support/property.ts'

/** Both ends of a peering with a clock of their own, over links that carry their messages in no time. */
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

/** What is done, and when, as `1200 carry 1`. Asks again whenever it is due. */
function play(events: readonly Event[], { decides = true, mayCome = [] }: Scene = {}): string[] {
  const paths = new Paths({ decides, mayCome: (transport) => mayCome.includes(transport) })
  const done: string[] = []
  const note = (nowMs: number, acts: readonly Act[]) => {
    for (const { type, id } of acts) done.push(`${nowMs} ${type} ${id}`)
  }
  const catchUp = (untilMs: number) => {
    for (let dueMs = paths.dueMs; dueMs !== undefined && dueMs <= untilMs; dueMs = paths.dueMs) {
      note(dueMs, paths.decide(dueMs))
      if (paths.dueMs === dueMs) throw new Error(`Due at ${dueMs} for ever`)
    }
  }
  for (const { atMs, up, down, rtt } of events) {
    catchUp(atMs)
    if (up !== undefined) note(atMs, paths.up({ ...path, openedMs: atMs, upMs: atMs, ...up }, atMs))
    if (down !== undefined) note(atMs, paths.down(down, atMs))
    if (rtt !== undefined) note(atMs, paths.measured(...rtt, atMs))
  }
  catchUp(Number.MAX_SAFE_INTEGER)
  return done
}

const tcp = (id: number, path: Partial<Path> = {}) => ({ id, transport: 'tcp', ...path }) as const
const udx = (id: number, path: Partial<Path> = {}) => ({ id, transport: 'udx', ...path }) as const
const far = { rttMs: 40 }

const cases: ReadonlyArray<[name: string, events: readonly Event[], done: readonly string[], scene?: Scene]> = [
  ['takes what there is', [{ atMs: 0, up: udx(1) }], ['0 carry 1']],
  ['takes TCP that is near', [{ atMs: 0, up: tcp(1) }], ['0 carry 1']],
  ['takes TCP that is far where there is nothing else', [{ atMs: 0, up: tcp(1, far) }], ['0 carry 1']],
  [
    'waits a moment for TCP that is being dialled',
    [
      { atMs: 0, up: udx(1) },
      { atMs: 30, up: tcp(2) }
    ],
    ['30 carry 2'],
    { mayCome: ['tcp'] }
  ],
  ['waits no longer than that', [{ atMs: 0, up: udx(1) }], ['400 carry 1'], { mayCome: ['tcp'] }],
  [
    'waits a moment for UDX where TCP is far',
    [
      { atMs: 0, up: tcp(1, far) },
      { atMs: 100, up: udx(2, far) }
    ],
    ['100 carry 2'],
    { mayCome: ['tcp', 'udx'] }
  ],
  [
    'moves to TCP when it comes, and lets go of UDX',
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
    'takes the spare at once when TCP dies',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 100, up: udx(2) },
      { atMs: 9000, down: 1 }
    ],
    ['0 carry 1', '9000 carry 2']
  ],
  [
    'stays with UDX where TCP is far',
    [
      { atMs: 0, up: udx(1, far) },
      { atMs: 100, up: tcp(2, far) }
    ],
    ['0 carry 1']
  ],
  [
    'moves to UDX where TCP is far',
    [
      { atMs: 0, up: tcp(1, far) },
      { atMs: 100, up: udx(2, far) }
    ],
    ['0 carry 1', '100 carry 2', '400 drop 1']
  ],
  [
    'takes TCP that is far and bears losses',
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
    'does not take a longer round trip for the distance',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 10, up: udx(2) },
      { atMs: 50, rtt: [1, 80] }
    ],
    ['0 carry 1']
  ],
  [
    'keeps the connection that it has dialled of two that crossed',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 20, up: tcp(2, { dialledBy: 'them' }) }
    ],
    ['0 carry 1', '20 drop 2']
  ],
  [
    'carries on by the one that is kept before it lets go of the other',
    [
      { atMs: 0, up: tcp(1, { dialledBy: 'them' }) },
      { atMs: 20, up: tcp(2) }
    ],
    ['0 carry 1', '20 carry 2', '320 drop 1']
  ],
  [
    'keeps it also where the other was opened at the same time, and was up much later',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 3000, up: tcp(2, { dialledBy: 'them', openedMs: 100 }) }
    ],
    ['0 carry 1', '3000 drop 2']
  ],
  [
    'takes a later connection: the other end has lost the earlier one',
    [
      { atMs: 0, up: tcp(1) },
      { atMs: 9000, up: tcp(2, { dialledBy: 'them' }) }
    ],
    ['0 carry 1', '9000 carry 2', '9300 drop 1']
  ],
  [
    'leaves all to the end that decides',
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

test('the end that does not decide knows what carries', (t) => {
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

test('whatever comes and goes, one path carries wherever there is one', async (t) => {
  await holds(
    t,
    fc.property(fc.array(eventArbitrary, { maxLength: 40 }), fc.boolean(), (events, mayCome) => {
      const paths = new Paths({ decides: true, mayCome: () => mayCome })
      const there = new Map<number, boolean>()
      const obey = (acts: readonly Act[]) => {
        for (const { type, id } of acts) {
          if (!there.has(id)) throw new Error(`${type} of ${id}, which is not there`)
          if (type === 'drop') there.delete(id)
          else if (there.get(id)) throw new Error(`${id} carries already`)
          else there.set(id, true)
        }
      }
      let nowMs = 0
      for (const { gapMs, id, what, ...path } of events) {
        nowMs += gapMs
        if (paths.dueMs !== undefined && paths.dueMs <= nowMs) obey(paths.decide(nowMs))
        if (what === 'rtt') obey(paths.measured(id, path.rttMs, nowMs))
        else if (what === 'down' || there.has(id)) {
          there.delete(id)
          obey(paths.down(id, nowMs))
        } else {
          there.set(id, false)
          obey(paths.up({ ...path, id, transport: what as Transport, openedMs: nowMs, upMs: nowMs } as Path, nowMs))
        }
      }
      for (let dueMs = paths.dueMs; dueMs !== undefined; dueMs = paths.dueMs) obey(paths.decide(dueMs))
      const carrying = [...there].filter(([, carries]) => carries)
      if (carrying.length !== Math.min(1, there.size)) throw new Error(`${carrying.length} of ${there.size} carry`)
      const kinds = new Set([...there.keys()].map((id) => paths.get(id)?.transport))
      if (kinds.size !== there.size) throw new Error('two of a kind stay')
    })
  )
})
