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
/** The timeout after one file has found no peers: the others don't wait as long again. */
const shortTimeoutMs = 1000

export interface RepairOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Repairs what a verification found: first the store, out of which files are repaired. */
export async function* repairDamage(
  host: () => VerifyHost,
  findings: Findings,
  options: RepairOptions
): AsyncGenerator<VerifyEvent> {
  const isRebuilt = findings.store.length > 0 && host().rebuild !== undefined
  if (findings.store.length > 0) yield* repairStore(host(), findings, options)
  if (findings.blocks.length > 0 && !isRebuilt) yield* repairBlocks(host(), findings, options)
  if (findings.state.length > 0) {
    const timeout = timeoutOf(host(), options)
    try {
      await host().renewState(timeout)
      for (const _ of findings.state) yield { type: 'repaired', what: 'state' }
    } catch (error) {
      options.signal.throwIfAborted()
      const message = messageOf(error)
      for (const _ of findings.state) yield { type: 'unrepaired', what: 'state', message }
    } finally {
      timeout.end()
    }
  }
  yield* repairFiles(host(), findings, options)
}

function timeoutOf({ received }: VerifyHost, { timeoutMs, signal }: RepairOptions): IdleTimeout {
  return new IdleTimeout(signal, { timeoutMs, received })
}

async function* repairStore(host: VerifyHost, findings: Findings, options: RepairOptions): AsyncGenerator<VerifyEvent> {
  const timeout = timeoutOf(host, options)
  let failure: string | undefined = 'The log is written here, and nobody else can make its store anew'
  try {
    if (host.rebuild !== undefined) failure = await host.rebuild(timeout)
  } finally {
    timeout.end()
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

async function* repairBlocks(
  host: VerifyHost,
  findings: Findings,
  options: RepairOptions
): AsyncGenerator<VerifyEvent> {
  let failures: Map<DamagedBlock, string | undefined>
  try {
    failures = await fetchBlocks(host, findings.blocks, options)
  } catch (error) {
    const failure = databaseFailure('store', host.folder.store, error)
    if (failure === undefined) throw error
    // The engine accepts no more writes by now.
    if (host.rebuild !== undefined) {
      yield* repairStore(host, findings, options)
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
  const timeout = timeoutOf(host, options)
  try {
    for (const name of ['entries', 'content'] as const) {
      const some = blocks.filter(({ core }) => core === name)
      const core = cores[name]
      if (core === undefined || some.length === 0) continue
      const indexes = some.map(({ block }) => block)
      const all = await fetchDamaged(core, indexes, timeout.signal)
      for (const [i, block] of some.entries()) failures.set(block, all[i])
      options.signal.throwIfAborted()
    }
    return failures
  } finally {
    timeout.end()
  }
}

async function* repairFiles(
  host: VerifyHost,
  { files }: Findings,
  options: RepairOptions
): AsyncGenerator<VerifyEvent> {
  let { timeoutMs } = options
  const left = new Set(files)
  try {
    for (const { group, isHere } of await groupsOf(host, files)) {
      const timeout = new IdleTimeout(options.signal, { timeoutMs, received: host.received })
      try {
        // At a source, an overwrite gives up the file's own blocks before it asks peers: wait for peers first.
        if (!isHere && host.rebuild === undefined) await untilPeers(host, timeout.signal)
        yield* repairGroup(host, group, timeout, options.signal)
      } finally {
        timeout.end()
        if (timeout.isOver) timeoutMs = Math.min(timeoutMs, shortTimeoutMs)
      }
      for (const file of group) left.delete(file)
    }
  } catch (error) {
    const failure = databaseFailure('store', host.folder.store, error)
    if (failure === undefined) throw error
    // The engine is closed by now, and may never answer again.
    for (const { path } of left) yield { type: 'unrepaired', what: 'file', path, message: failure.message }
  }
}

/** Files whose contents are here go first, all together, so that none of them waits for peers. */
async function groupsOf(
  host: VerifyHost,
  files: readonly DamagedFile[]
): Promise<{ readonly group: readonly DamagedFile[]; readonly isHere: boolean }[]> {
  if (files.length === 0) return []
  const { baseline } = await host.queue.run(() => host.recorded())
  const here: DamagedFile[] = []
  const away: DamagedFile[] = []
  for (const file of files) {
    if (await isInStore(host, baseline.entry(file.path))) here.push(file)
    else away.push(file)
  }
  const single = away.map((file) => ({ group: [file], isHere: false }))
  return here.length === 0 ? single : [{ group: here, isHere: true }, ...single]
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

async function* repairGroup(
  host: VerifyHost,
  files: readonly DamagedFile[],
  { signal, active }: IdleTimeout,
  outer: AbortSignal
): AsyncGenerator<VerifyEvent> {
  const worthless = new Map(files.map(({ path, worthless }) => [path, worthless]))
  let done: Overwritten = { failed: new Map(), kept: new Map() }
  let failure = 'No peer sent its missing blocks in time'
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
