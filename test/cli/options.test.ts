import { test } from 'brittle'
import { parseRate } from '../../src/cli/options.ts'

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
