import { messageOf, SyncError } from '../errors.ts'
import { mendBlock } from '../log/mend-block.ts'
import type { Entry } from '../tree/entry.ts'
import type { Overwritten } from './overwrite.ts'
import { Patience } from './patience.ts'
import type { DamagedBlock, DamagedFile, Findings, VerifyEvent } from './verify-events.ts'
import { judgeAgain } from './verify-files.ts'
import type { VerifyHost } from './verify-host.ts'

/** Waiting for peers that weren't there for one file isn't done anew for each. */
const lessPatientMs = 1000
const mendsAtOnce = 16

export interface MendOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** The store first: files are mended out of it. */
export async function* mend(
  host: () => VerifyHost,
  findings: Findings,
  options: MendOptions
): AsyncGenerator<VerifyEvent> {
  if (findings.store.length > 0) yield* mendStore(host(), findings, options)
  else if (findings.blocks.length > 0) yield* mendBlocks(host(), findings, options)
  if (findings.isStateDamaged) {
    const patience = patienceOf(host(), options)
    try {
      await host().renewState(patience)
      yield { type: 'repaired', what: 'state' }
    } catch (error) {
      options.signal.throwIfAborted()
      yield { type: 'unrepaired', what: 'state', message: messageOf(error) }
    } finally {
      patience.end()
    }
  }
  yield* mendFiles(host(), findings, options)
}

function patienceOf({ received }: VerifyHost, { timeoutMs, signal }: MendOptions): Patience {
  return new Patience(signal, { timeoutMs, received })
}

async function* mendStore(host: VerifyHost, findings: Findings, options: MendOptions): AsyncGenerator<VerifyEvent> {
  const patience = patienceOf(host, options)
  let failure: string | undefined = 'The log is written here, and nobody else can make its store anew'
  try {
    if (host.rebuild !== undefined) failure = await host.rebuild(patience)
  } finally {
    patience.end()
  }
  options.signal.throwIfAborted()
  for (const thing of [
    ...findings.store.map(() => ({ what: 'store' }) as const),
    ...findings.blocks.map((block) => ({ what: 'block', ...block }) as const)
  ]) {
    if (failure === undefined) yield { type: 'repaired', ...thing }
    else yield { type: 'unrepaired', ...thing, message: failure }
  }
}

async function* mendBlocks(host: VerifyHost, { blocks }: Findings, options: MendOptions): AsyncGenerator<VerifyEvent> {
  const cores = await host.cores()
  const patience = patienceOf(host, options)
  try {
    for (let first = 0; first < blocks.length; first += mendsAtOnce) {
      const some = blocks.slice(first, first + mendsAtOnce)
      const failures = await Promise.all(
        some.map(({ core, block }) => {
          const of = cores[core]
          return of === undefined ? 'Its core is not known' : mendBlock(of, block, patience.signal)
        })
      )
      options.signal.throwIfAborted()
      for (const [i, message] of failures.entries()) {
        const thing = { what: 'block', ...(some[i] as DamagedBlock) } as const
        yield message === undefined ? { type: 'repaired', ...thing } : { type: 'unrepaired', ...thing, message }
      }
    }
  } finally {
    patience.end()
  }
}

/** Those whose contents are here first: what has to be waited for is to keep none of them waiting. */
async function* mendFiles(host: VerifyHost, { files }: Findings, options: MendOptions): AsyncGenerator<VerifyEvent> {
  if (files.length === 0) return
  const { baseline } = await host.turns.run(() => host.recorded())
  const [here, away] = [[] as DamagedFile[], [] as DamagedFile[]]
  for (const file of files) ((await isInStore(host, baseline.entry(file.path))) ? here : away).push(file)
  let { timeoutMs } = options
  for (const some of [here, ...away.map((file) => [file])]) {
    if (some.length === 0) continue
    const patience = new Patience(options.signal, { timeoutMs, received: host.received })
    try {
      yield* mendSome(host, some, patience, options.signal)
    } finally {
      patience.end()
      if (patience.isOver) timeoutMs = Math.min(timeoutMs, lessPatientMs)
    }
  }
}

async function isInStore(host: VerifyHost, entry: Entry | undefined): Promise<boolean> {
  const { content, isPlaced } = await host.cores()
  if (entry?.type !== 'file' || content === undefined) return false
  for (const { block, blocks, packed } of entry.extents) {
    if (!(await content.has(block, block + blocks))) return false
    if (!packed && (await isPlaced(block))) return false
  }
  return true
}

async function* mendSome(
  host: VerifyHost,
  files: readonly DamagedFile[],
  { signal, active }: Patience,
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
    if (error instanceof SyncError && (error.code === 'HALTED' || error.code === 'DISK_FULL')) throw error
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
