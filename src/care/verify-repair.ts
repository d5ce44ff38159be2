import { setTimeout as sleep } from 'node:timers/promises'
import type { Overwritten } from '../change/overwrite.ts'
import { databaseFailure, messageOf, SyncError } from '../errors.ts'
import { IdleTimeout } from '../folder/idle-timeout.ts'
import { fetchDamaged } from '../log/check/damaged-blocks.ts'
import type { Entry } from '../tree/entry.ts'
import type { DamagedBlock, DamagedFile, Findings, VerifyEvent } from './verify-events.ts'
import { judgeAgain } from './verify-files.ts'
import type { VerifyHost } from './verify-host.ts'

const peerTickMs = 100
/** Waiting for peers that weren't there for one file isn't done anew for each. */
const lessPatientMs = 1000

export interface RepairOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** The store first: files are mended out of it. */
export async function* repairDamage(
  host: () => VerifyHost,
  findings: Findings,
  options: RepairOptions
): AsyncGenerator<VerifyEvent> {
  const isAnew = findings.store.length > 0 && host().rebuild !== undefined
  if (findings.store.length > 0) yield* mendStore(host(), findings, options)
  if (findings.blocks.length > 0 && !isAnew) yield* mendBlocks(host(), findings, options)
  if (findings.state.length > 0) {
    const patience = patienceOf(host(), options)
    try {
      await host().renewState(patience)
      for (const _ of findings.state) yield { type: 'repaired', what: 'state' }
    } catch (error) {
      options.signal.throwIfAborted()
      const message = messageOf(error)
      for (const _ of findings.state) yield { type: 'unrepaired', what: 'state', message }
    } finally {
      patience.end()
    }
  }
  yield* mendFiles(host(), findings, options)
}

function patienceOf({ received }: VerifyHost, { timeoutMs, signal }: RepairOptions): IdleTimeout {
  return new IdleTimeout(signal, { timeoutMs, received })
}

async function* mendStore(host: VerifyHost, findings: Findings, options: RepairOptions): AsyncGenerator<VerifyEvent> {
  const patience = patienceOf(host, options)
  let failure: string | undefined = 'The log is written here, and nobody else can make its store anew'
  try {
    if (host.rebuild !== undefined) failure = await host.rebuild(patience)
  } finally {
    patience.end()
  }
  options.signal.throwIfAborted()
  const blocks = host.rebuild === undefined ? [] : findings.blocks
  for (const thing of [
    ...findings.store.map(() => ({ what: 'store' }) as const),
    ...blocks.map((block) => ({ what: 'block', ...block }) as const)
  ]) {
    if (failure === undefined) yield { type: 'repaired', ...thing }
    else yield { type: 'unrepaired', ...thing, message: failure }
  }
}

async function* mendBlocks(host: VerifyHost, findings: Findings, options: RepairOptions): AsyncGenerator<VerifyEvent> {
  let failures: Map<DamagedBlock, string | undefined>
  try {
    failures = await fetchBlocks(host, findings.blocks, options)
  } catch (error) {
    const failure = databaseFailure('store', host.folder.store, error)
    if (failure === undefined) throw error
    // It is closed to writes by now.
    if (host.rebuild !== undefined) {
      yield* mendStore(host, findings, options)
      return
    }
    failures = new Map(findings.blocks.map((block) => [block, failure.message]))
  }
  for (const [block, message] of failures) {
    const thing = { what: 'block', ...block } as const
    yield message === undefined ? { type: 'repaired', ...thing } : { type: 'unrepaired', ...thing, message }
  }
}

async function fetchBlocks(
  host: VerifyHost,
  blocks: readonly DamagedBlock[],
  options: RepairOptions
): Promise<Map<DamagedBlock, string | undefined>> {
  const failures = new Map<DamagedBlock, string | undefined>()
  const cores = await host.cores()
  const patience = patienceOf(host, options)
  try {
    for (const name of ['entries', 'content'] as const) {
      const some = blocks.filter(({ core }) => core === name)
      const core = cores[name]
      if (core === undefined || some.length === 0) continue
      const indexes = some.map(({ block }) => block)
      const all = await fetchDamaged(core, indexes, patience.signal)
      for (const [i, block] of some.entries()) failures.set(block, all[i])
      options.signal.throwIfAborted()
    }
    return failures
  } finally {
    patience.end()
  }
}

async function* mendFiles(host: VerifyHost, { files }: Findings, options: RepairOptions): AsyncGenerator<VerifyEvent> {
  let { timeoutMs } = options
  const left = new Set(files)
  try {
    for (const { some, isHere } of await groupsOf(host, files)) {
      const patience = new IdleTimeout(options.signal, { timeoutMs, received: host.received })
      try {
        // What is looked for is given up here first: at a source, where nobody else may have it, not in vain.
        if (!isHere && host.rebuild === undefined) await untilPeers(host, patience.signal)
        yield* mendSome(host, some, patience, options.signal)
      } finally {
        patience.end()
        if (patience.isOver) timeoutMs = Math.min(timeoutMs, lessPatientMs)
      }
      for (const file of some) left.delete(file)
    }
  } catch (error) {
    const failure = databaseFailure('store', host.folder.store, error)
    if (failure === undefined) throw error
    // The engine is closed by now: who asks it for more may wait for ever.
    for (const { path } of left) yield { type: 'unrepaired', what: 'file', path, message: failure.message }
  }
}

/** Those whose contents are here go first, together: what has to be waited for is to keep none of them waiting. */
async function groupsOf(
  host: VerifyHost,
  files: readonly DamagedFile[]
): Promise<{ readonly some: readonly DamagedFile[]; readonly isHere: boolean }[]> {
  if (files.length === 0) return []
  const { baseline } = await host.queue.run(() => host.recorded())
  const here: DamagedFile[] = []
  const away: DamagedFile[] = []
  for (const file of files) {
    if (await isInStore(host, baseline.entry(file.path))) here.push(file)
    else away.push(file)
  }
  const alone = away.map((file) => ({ some: [file], isHere: false }))
  return here.length === 0 ? alone : [{ some: here, isHere: true }, ...alone]
}

async function untilPeers(host: VerifyHost, signal: AbortSignal): Promise<void> {
  const { hasPeers } = await host.cores()
  while (!hasPeers() && !signal.aborted) await sleep(peerTickMs)
}

async function isInStore(host: VerifyHost, entry: Entry | undefined): Promise<boolean> {
  const { content, isPlaced, holds } = await host.cores()
  if (entry?.type !== 'file' || content === undefined) return false
  for (const extent of entry.extents) {
    if (!(await holds(extent))) return false
    if (!extent.packed && (await isPlaced(extent.block))) return false
  }
  return true
}

async function* mendSome(
  host: VerifyHost,
  files: readonly DamagedFile[],
  { signal, active }: IdleTimeout,
  outer: AbortSignal
): AsyncGenerator<VerifyEvent> {
  const worthless = new Map(files.map(({ path, worthless }) => [path, worthless]))
  let done: Overwritten = { failed: new Map(), kept: new Map() }
  let failure = 'No peer has sent what is missing of it in time'
  try {
    done = await host.overwrite(new Set(worthless.keys()), {
      signal,
      onActive: active,
      mayGo: (path, seen) => seen.type === 'file' && seen.signature === worthless.get(path)
    })
  } catch (error) {
    outer.throwIfAborted()
    if (databaseFailure('store', host.folder.store, error) !== undefined) throw error
    if (error instanceof SyncError && error.code === 'HALTED') throw error
    if (!signal.aborted) failure = messageOf(error)
  }
  for (const { path } of files) {
    const verdict = await judgeAgain(host, path, undefined, outer)
    const keptAs = done.kept.get(path)
    const thing = { what: 'file', path } as const
    if (verdict?.type === 'sound') yield { type: 'repaired', ...thing, ...(keptAs === undefined ? {} : { keptAs }) }
    else yield { type: 'unrepaired', ...thing, message: done.failed.get(path) ?? failure }
  }
}
