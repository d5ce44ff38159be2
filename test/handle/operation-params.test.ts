import { test } from 'brittle'
import { parseParams, type Schema } from '../../src/handle/operation-params.ts'
import { codeOf } from '../support/failure.ts'

const schema: Schema = { path: 'text', limit: 'integer?', rate: 'number?', all: 'flag?', names: 'texts?' }

const good: ReadonlyArray<[given: Record<string, unknown>, params: Record<string, unknown>]> = [
  [{ path: '' }, { path: '' }],
  [
    { path: 'a', limit: '12', rate: '-1.5', all: 'true', names: 'x' },
    { path: 'a', limit: 12, rate: -1.5, all: true, names: ['x'] }
  ],
  [
    { path: 'a', limit: -3, rate: 0, all: false, names: ['x', 'y'] },
    { path: 'a', limit: -3, rate: 0, all: false, names: ['x', 'y'] }
  ],
  [{ path: 'a', limit: null, rate: undefined }, { path: 'a' }],
  [
    { path: 'a', all: '' },
    { path: 'a', all: true }
  ],
  [
    { path: 'a', all: '0', names: [] },
    { path: 'a', all: false, names: [] }
  ]
]
for (const [given, params] of good) {
  test(`parameters ${JSON.stringify(given)} are taken`, (t) => t.alike(parseParams(schema, given), params))
}

const bad: readonly Record<string, unknown>[] = [
  {},
  { path: null },
  { path: 1 },
  { path: ['a', 'b'] },
  { path: 'a', other: 1 },
  { path: 'a', constructor: 'x' },
  { path: 'a', toString: 'x' },
  JSON.parse('{"path": "a", "__proto__": "x"}'),
  { path: 'a', limit: '1.5' },
  { path: 'a', limit: 0.5 },
  { path: 'a', limit: '' },
  { path: 'a', limit: 'x' },
  { path: 'a', limit: true },
  { path: 'a', rate: 'NaN' },
  { path: 'a', rate: Number.POSITIVE_INFINITY },
  { path: 'a', rate: '1e999' },
  { path: 'a', all: 'yes' },
  { path: 'a', all: 1 },
  { path: 'a', names: [1] },
  { path: 'a', names: {} }
]
for (const [i, given] of bad.entries()) {
  test(`parameters ${i} are refused: ${JSON.stringify(given)}`, async (t) => {
    t.is(await codeOf(() => parseParams(schema, given)), 'USAGE')
  })
}
