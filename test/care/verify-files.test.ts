import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { Findings, type VerifyEvent } from '../../src/care/verify-events.ts'
import { judgeAgain, sampleOf, verifyFiles } from '../../src/care/verify-files.ts'
import type { VerifyHost } from '../../src/care/verify-host.ts'
import { flipBit } from '../support/bit-flips.ts'
import { directoryOf, fileOf, pathOf } from '../support/entries.ts'
import { collectAll } from '../support/log-source.ts'
import { Share } from '../support/share.ts'

const { signal } = new AbortController()

async function open(t: Assert, files: Readonly<Record<string, string>>) {
  const share = await Share.open(t, files)
  await share.publish(t)
  const host = share.verifyHost(share.publisher(t))
  return { share, host }
}

async function verified(host: VerifyHost, sample = 1) {
  const findings = new Findings()
  const events = await collectAll(verifyFiles(host, findings, { sample, signal }))
  return { findings, texts: events.filter(({ type }) => type !== 'verifying').map(textOf) }
}

const textOf = (event: VerifyEvent) =>
  'path' in event ? `${event.type} ${event.path}` : `${event.type} ${'what' in event ? event.what : ''}`

test('a folder as it was published is sound', async (t) => {
  const { share, host } = await open(t, { a: 'text', 'dir/b': 'other', empty: '' })
  const { findings, texts } = await verified(host)
  t.alike(texts, [])
  const { files, filesTotal, bytes, bytesTotal } = findings.counts
  t.alike([files, filesTotal, bytes, bytesTotal], [3, 3, 9, 9])
  t.is(share.eventsOf('problem').length, 0)
})

test('a flipped bit is damage, a change of the user is none', async (t) => {
  const { share, host } = await open(t, {
    rotten: 'some text',
    edited: 'text',
    removed: 'text',
    link: '',
    'dir/a': 'a'
  })
  flipBit(share.at('rotten'), 3, 1)
  writeFileSync(share.at('edited'), 'another')
  rmSync(share.at('removed'))
  rmSync(share.at('dir'), { recursive: true })
  symlinkSync('elsewhere', share.at('dir'))
  const { findings, texts } = await verified(host)
  t.alike(texts.sort(), ['damaged rotten', 'diverged dir', 'diverged dir/a', 'diverged edited', 'diverged removed'])
  t.alike(
    findings.files.map(({ path }) => path),
    ['rotten']
  )
})

test('a record that is not what the log says is damage of the state', async (t) => {
  const { host } = await open(t, { a: 'text', b: 'text' })
  const { baseline } = await host.recorded()
  baseline.put(pathOf('a'), { entry: fileOf(''), signature: '' })
  baseline.put(pathOf('b'), { entry: directoryOf(), signature: '' })
  const { findings, texts } = await verified(host)
  t.alike(texts, ['damaged state'], 'the files themselves are as the log says')
  t.ok(findings.state[0]?.startsWith('The records of 2 paths, such as a,'), findings.state[0])
})

test('a file that is recorded no more is not judged again', async (t) => {
  const { host } = await open(t, { a: 'text' })
  t.is((await judgeAgain(host, pathOf('a'), undefined, signal))?.type, 'sound')
  t.is(await judgeAgain(host, pathOf('nothing'), undefined, signal), undefined)
  const other = await judgeAgain(host, pathOf('a'), fileOf('rest'), signal)
  t.is(other?.type, 'damaged', 'by an entry that corrects the record')
})

const sizes = (...all: readonly number[]) => all.map((size) => ({ size }))

const samples: ReadonlyArray<
  [name: string, files: readonly number[], sample: number, random: number, picked: readonly number[]]
> = [
  ['all', [1, 2, 3], 1, 0, [1, 2, 3]],
  ['until they have the share of all bytes', [10, 20, 30, 40], 0.25, 0, [10, 40]],
  ['one large file is enough', [10, 20, 30, 1000], 0.5, 0.99, [1000]],
  ['empty files too', [0, 0, 0, 0], 0.5, 0, [0, 0]],
  ['nothing of nothing', [], 0.5, 0, []]
]

for (const [name, files, sample, random, picked] of samples) {
  test(`a sample of ${sample} picks ${name}`, (t) => {
    t.alike(
      [...sampleOf(sizes(...files), sample, () => random)].map(({ size }) => size),
      picked
    )
  })
}
