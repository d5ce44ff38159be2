import { readFileSync, writeFileSync } from 'node:fs'
import { type Assert, test } from 'brittle'
import { Findings, type VerifyEvent } from '../../src/care/verify-events.ts'
import { verifyFiles } from '../../src/care/verify-files.ts'
import type { VerifyHost } from '../../src/care/verify-host.ts'
import { repairDamage } from '../../src/care/verify-repair.ts'
import { flipBit } from '../support/bit-flips.ts'
import { bytesOf } from '../support/bytes.ts'
import { collectAll } from '../support/log-source.ts'
import { Share } from '../support/share.ts'

const { signal } = new AbortController()
const options = { timeoutMs: 200, signal }
/** Larger than what the share keeps in its store as well. */
const large = bytesOf(3_000_000, 5)

async function open(
  t: Assert,
  files: Readonly<Record<string, string | Uint8Array>> = {},
  changes: Partial<VerifyHost> = {}
) {
  const share = await Share.open(t)
  for (const [path, content] of Object.entries(files)) share.write(path, content)
  await share.publish(t)
  return { share, host: share.verifyHost(share.publisher(t), changes) }
}

async function repaired(host: VerifyHost, findings: Findings) {
  return (await collectAll(repairDamage(() => host, findings, options))).map(textOf)
}

function textOf(event: VerifyEvent): string {
  const what = 'what' in event ? event.what : ''
  const message = 'message' in event ? `: ${event.message}` : ''
  return `${event.type} ${what}${'path' in event ? ` ${event.path}` : ''}${'block' in event ? ` ${event.block}` : ''}${message}`
}

async function damagedFiles(host: VerifyHost): Promise<Findings> {
  const findings = new Findings()
  await collectAll(verifyFiles(host, findings, { sample: 1, signal }))
  return findings
}

test('a rotten file is written again out of the store', async (t) => {
  const { share, host } = await open(t, { a: 'some text', b: 'other text' })
  flipBit(share.at('a'), 2, 3)
  const findings = await damagedFiles(host)
  t.alike(await repaired(host, findings), ['repaired file a'])
  t.is(readFileSync(share.at('a'), 'utf8'), 'some text')
})

test('a rotten file that nobody else has stays as it is', async (t) => {
  const { share, host } = await open(t, { large })
  flipBit(share.at('large'), 1_500_000, 3)
  const rotten = readFileSync(share.at('large'))
  const findings = await damagedFiles(host)
  t.is(findings.files.length, 1)
  const [text] = await repaired(host, findings)
  t.ok(text?.startsWith('unrepaired file large: '), text)
  t.ok(readFileSync(share.at('large')).equals(rotten))
})

test('a change that the user made since the file was found damaged is kept beside it', async (t) => {
  const { share, host } = await open(t, { a: 'some text' })
  flipBit(share.at('a'), 2, 3)
  const findings = await damagedFiles(host)
  writeFileSync(share.at('a'), 'of the user')
  const [event] = await collectAll(repairDamage(() => host, findings, options))
  if (event?.type !== 'repaired' || event.keptAs === undefined) throw new Error(JSON.stringify(event))
  t.is(readFileSync(share.at('a'), 'utf8'), 'some text')
  t.is(readFileSync(share.at(event.keptAs), 'utf8'), 'of the user')
})

test('at a source the store cannot be made anew', async (t) => {
  const { host } = await open(t)
  const findings = new Findings()
  findings.store.push('damaged')
  findings.blocks.push({ core: 'content', block: 3 })
  const texts = await repaired(host, findings)
  t.is(texts[0], 'unrepaired store: The log is written here, and nobody else can make its store anew')
})

test('a store that is fetched anew has all its blocks again', async (t) => {
  let failure: string | undefined
  const { host } = await open(t, {}, { rebuild: async () => failure })
  const findings = new Findings()
  findings.store.push('damaged')
  findings.blocks.push({ core: 'content', block: 3 })
  t.alike(await repaired(host, findings), ['repaired store', 'repaired block 3'])
  failure = 'nobody is there'
  t.alike(await repaired(host, findings), ['unrepaired store: nobody is there', 'unrepaired block 3: nobody is there'])
})

test('a block that no peer sends stays damaged', async (t) => {
  const { host } = await open(t, { a: 'a' })
  const findings = new Findings()
  findings.blocks.push({ core: 'content', block: 0 })
  const texts = await repaired(host, findings)
  t.is(texts.length, 1)
  t.ok(texts[0]?.startsWith('unrepaired block 0: '), texts[0])
})

test('the state is made anew', async (t) => {
  let failure: Error | undefined
  const renewState = async () => {
    if (failure !== undefined) throw failure
  }
  const { host } = await open(t, {}, { renewState })
  const findings = new Findings()
  findings.state.push('damaged', 'and more')
  t.alike(await repaired(host, findings), ['repaired state', 'repaired state'])
  failure = new Error('the disk is full')
  t.is((await repaired(host, findings))[0], 'unrepaired state: the disk is full')
})
