import { test } from 'brittle'
import { parseAge, parseCount, parseKeepReplaced, parseRate } from '../../../src/cli/options/parse.ts'

const none = Number.POSITIVE_INFINITY

const rates: ReadonlyArray<[text: string, rate: number]> = [
  ['1000', 1000],
  ['65536', 65_536],
  ['500k', 500_000],
  ['500K', 500_000],
  ['500kB', 500_000],
  ['500 kB/s', 500_000],
  ['2M', 2_000_000],
  ['2m', 2_000_000],
  ['1.5MB/s', 1_500_000],
  ['2000B/s', 2000],
  ['1G', 1_000_000_000],
  ['1k', 1000],
  ['800KiB', 819_200],
  ['800Ki', 819_200],
  ['1MiB/s', 1_048_576],
  ['0.5GiB', 536_870_912],
  [' 2M ', 2_000_000],
  ['none', none],
  ['unlimited', none]
]
for (const [text, rate] of rates) {
  test(`parseRate reads ${JSON.stringify(text)}`, (t) => t.is(parseRate(text), rate))
}

const noRates = [
  '',
  '0',
  '999',
  '0.9k',
  '0none',
  '-1M',
  '1e6',
  'M',
  '1.M',
  '.5M',
  '2Mb',
  '2Mbit/s',
  '2M/min',
  '2MBs',
  '2T'
]
for (const text of noRates) {
  test(`parseRate refuses ${JSON.stringify(text)}`, async (t) => {
    await t.exception.all(() => parseRate(text), /Give bytes per second/)
  })
}

const day = 24 * 3_600_000
const keeps: ReadonlyArray<[text: string, keep: ReturnType<typeof parseKeepReplaced>]> = [
  ['none', { ms: 0 }],
  ['0', { ms: 0 }],
  ['0d', { ms: 0 }],
  ['30d', { ms: 30 * day }],
  ['1.5h', { ms: 5_400_000 }],
  ['90m', { ms: 5_400_000 }],
  ['1s', { ms: 1000 }],
  ['50G', { bytes: 50e9 }],
  ['500MB', { bytes: 500e6 }],
  ['2TiB', { bytes: 2 * 2 ** 40 }],
  ['30d,50G', { ms: 30 * day, bytes: 50e9 }],
  ['50 GiB, 30d', { ms: 30 * day, bytes: 50 * 2 ** 30 }]
]
for (const [text, keep] of keeps) {
  test(`parseKeepReplaced reads ${JSON.stringify(text)}`, (t) => t.alike(parseKeepReplaced(text), keep))
}

for (const text of ['', '7', '7w', '7D', '-1d', 'none,5G', '1d,2d', '5G,6G', '1d,5G,', '1e3d', '99999999d', '10%']) {
  test(`parseKeepReplaced refuses ${JSON.stringify(text)}`, async (t) => {
    await t.exception.all(() => parseKeepReplaced(text), /Give a time/)
  })
}
const year = 31_557_600_000
const ages: ReadonlyArray<[text: string, ms: number]> = [
  ['0s', 0],
  ['90m', 5_400_000],
  ['12h', day / 2],
  ['30d', 30 * day],
  ['1.5d', 1.5 * day],
  ['2w', 14 * day],
  [' 10y ', 10 * year]
]
for (const [text, ms] of ages) {
  test(`parseAge reads ${JSON.stringify(text)}`, (t) => t.is(parseAge(text), ms))
}

for (const text of ['', '30', 'd', '-1d', '30 days', '30D', '1e3d', '1001y', '30ms', 'none']) {
  test(`parseAge refuses ${JSON.stringify(text)}`, async (t) => {
    await t.exception.all(() => parseAge(text), /Give an age/)
  })
}

test('parseCount reads whole numbers from 1 on', async (t) => {
  t.is(parseCount('12'), 12)
  for (const text of ['', '0', '-1', '1.5', 'two']) await t.exception.all(() => parseCount(text), /whole number/)
})
