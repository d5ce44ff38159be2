import { databaseFailure, messageOf, SyncError } from '../errors.ts'
import { assertMarker } from '../folder/folder.ts'
import { progressGate } from '../folder/progress-gate.ts'
import { type CoreFinding, checkCore } from '../log/check/check-core.ts'
import type { LogCores } from '../log/check/damaged-blocks.ts'
import { Findings, type VerifyEvent, type VerifyOptions } from './verify-events.ts'
import { type CheckOptions, verifyFiles } from './verify-files.ts'
import type { VerifyHost } from './verify-host.ts'
import { repairDamage } from './verify-repair.ts'

/**
 * Compares every recorded file, every block of the store, and the state with the signed log. The folder may be at work
 * meanwhile.
 *
 * @param host gives the folder as it is open now: a repair may open it again
 * @throws {SyncError} HALTED, USAGE; the signal's reason
 */
export async function* verify(host: () => VerifyHost, options: VerifyOptions = {}): AsyncGenerator<VerifyEvent> {
  const { sample = 1, repair = false, timeoutMs = 60_000, signal = new AbortController().signal } = options
  if (!(sample > 0 && sample <= 1)) throw new SyncError('USAGE', 'A sample is a share over 0 and up to 1')
  assertMarker(host().folder)
  const findings = new Findings()
  const checks = [
    verifyStore(host(), findings, { sample, signal }),
    verifyState(host(), findings),
    verifyFiles(host(), findings, { sample, signal })
  ]
  for (const check of checks) for await (const event of check) yield findings.take(event)
  if (repair && findings.counts.damaged > 0) {
    for await (const event of repairDamage(host, findings, { timeoutMs, signal })) yield findings.take(event)
  }
  yield findings.end(sample)
}

// The store

async function* verifyStore(
  host: VerifyHost,
  findings: Findings,
  { sample, signal }: CheckOptions
): AsyncGenerator<VerifyEvent> {
  const { counts } = findings
  const damaged = (message: string): VerifyEvent[] => {
    if (findings.store.includes(message)) return []
    findings.store.push(message)
    return [{ type: 'damaged', what: 'store', message }]
  }
  const isProgressDue = progressGate()
  let cores: LogCores
  try {
    cores = await host.cores()
  } catch (error) {
    const failure = databaseFailure('store', host.folder.store, error)
    if (failure === undefined && !(error instanceof SyncError)) throw error
    yield* damaged(messageOf(failure ?? error))
    return
  }
  const all = [['entries', cores.entries] as const, ['content', cores.content] as const]
  for (const [, core] of all) if (core !== undefined) counts.blocksTotal += core.length
  for (const [name, core] of all) {
    if (core === undefined) continue
    const { hasher } = host
    for await (const finding of checkCore(name, core, { sample, random: Math.random, hasher, signal })) {
      yield* storeEvents(finding, findings, damaged)
      if (isProgressDue()) yield { type: 'verifying', part: 'store', done: counts.blocks, total: counts.blocksTotal }
    }
  }
  for (const block of await missingIn(host, cores)) {
    findings.blocks.push({ core: 'content', block })
    yield { type: 'damaged', what: 'block', core: 'content', block, message: 'It is not here' }
  }
  if (sample === 1) for (const message of await host.store.scan()) yield* damaged(message)
}

/** Blocks that are missing. A log too damaged to tell has none here: other checks report that damage. */
async function missingIn({ queue }: VerifyHost, { missing }: LogCores): Promise<readonly number[]> {
  try {
    return await queue.run(missing)
  } catch {
    return []
  }
}

function storeEvents(
  finding: CoreFinding,
  { counts, blocks }: Findings,
  damaged: (message: string) => VerifyEvent[]
): VerifyEvent[] {
  if (finding.type === 'store') return damaged(finding.message)
  if (finding.type === 'read') {
    counts.blocks += finding.blocks
    counts.blockBytes += finding.bytes
    return []
  }
  const { core, block, message } = finding
  blocks.push({ core, block })
  return [{ type: 'damaged', what: 'block', core, block, message }]
}

async function* verifyState({ state, folder }: VerifyHost, findings: Findings): AsyncGenerator<VerifyEvent> {
  try {
    await state.check()
  } catch (error) {
    const failure = databaseFailure('state', folder.state, error)
    if (failure === undefined) throw error
    const { message } = failure
    findings.state.push(message)
    yield { type: 'damaged', what: 'state', message }
  }
}
