import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import type { VerifyEvent } from '../../index.ts'
import { addExamples } from '../manual/examples.ts'
import { addNetworkOptions, connectOptions, type NetworkOptions } from '../options/network-options.ts'
import { addCommonOptions, type CommonOptions, folderOptions, given, parseDuration } from '../options/options.ts'
import { exitStatus } from '../output/exit-status.ts'
import { showBytes, showCount, showJson, showMany, showName } from '../output/text.ts'
import { findRunning } from '../run/find-running.ts'
import { listenForSignals } from '../run/signals.ts'

interface Options extends CommonOptions, NetworkOptions {
  readonly sample?: number
  readonly repair?: boolean
  readonly timeout?: number
}

type Verified = Extract<VerifyEvent, { type: 'verified' }>

export function addVerifyCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addNetworkOptions(
    addCommonOptions(
      program
        .command('verify')
        .summary('compare the disk with the signed log, and mend it')
        .description(
          'Reads the files of a shared directory or a mirror, and its store, and compares them with the signed log. ' +
            'Bit rot is named; with --repair it is mended, from the store or from peers. What you changed yourself is ' +
            'told of as diverged, and stays.'
        )
        .argument('<folder>', 'a shared directory or a mirror')
    )
  )
    .option('--sample <share>', 'read a random part of the files and of the store, such as 5%', parseShare)
    .option('--repair', 'mend what is damaged, looking for peers where it takes any')
    .option(
      '--timeout <time>',
      'with --repair, wait so long for peers while nothing comes (default: 60s)',
      parseDuration
    )
    .action(async (directory: string, options: Options) => {
      const { sample, repair, timeout: timeoutMs } = options
      const params = given({ sample, repair, timeoutMs })
      const { folder, client } = await findRunning(directory, options.state)
      const signals = listenForSignals()
      const stop = new AbortController()
      const interrupted = signals.received.then((status) => {
        stop.abort()
        return status
      })
      const { signal } = stop
      // A store that can't be opened any more is to be told of, too.
      const { verifyFolder } = await import('../../handle/verify-folder.ts')
      const open = { ...connectOptions(options), ...folderOptions(options) }
      const events = client?.call('verify', params, signal) ?? verifyFolder(folder.root, { ...open, ...params, signal })
      try {
        onStatus(await showAll(events, options))
      } catch (error) {
        if (!stop.signal.aborted) throw error
        onStatus(await interrupted)
      } finally {
        signals.end()
      }
    })
  addExamples(
    command,
    [
      'p2psync verify ./mirror',
      ['p2psync verify ./mirror --sample 5%', 'every night: in a few months all was read'],
      'p2psync verify ./mirror --repair'
    ],
    'Exit status: 0 when nothing is damaged, or all was mended; 15 when something is damaged; 3 when only ' +
      "something couldn't be read.",
    'A file with the size and the time of the log but other bytes counts as damaged; where its other times changed ' +
      'too, what it held is kept as name.conflict-<time>-<host>.'
  )
}

async function showAll(events: AsyncIterable<VerifyEvent>, options: Options): Promise<number> {
  let status: number = exitStatus.ok
  for await (const event of events) {
    if (event.type === 'verified') status = statusOf(event)
    if (options.json) process.stdout.write(`${showJson(event)}\n`)
    else show(event, options)
  }
  return status
}

function statusOf({ left, unclear }: Verified): number {
  if (left > 0) return exitStatus.damaged
  return unclear > 0 ? exitStatus.partial : exitStatus.ok
}

function show(event: VerifyEvent, { quiet = false, verbose = false }: Options): void {
  const line = describe(event, verbose)
  const isBad = event.type === 'damaged' || event.type === 'unrepaired' || event.type === 'unclear'
  if (line !== undefined && (!quiet || isBad)) process.stderr.write(`${line}\n`)
}

function describe(event: VerifyEvent, verbose: boolean): string | undefined {
  switch (event.type) {
    case 'damaged':
      return `damaged: ${nameOf(event)}: ${showName(event.message)}`
    case 'repaired': {
      const kept = event.keptAs === undefined ? '' : `; what it held is kept as ${showName(event.keptAs)}`
      return `repaired: ${nameOf(event)}${kept}`
    }
    case 'unrepaired':
      return `not repaired: ${nameOf(event)}: ${showName(event.message)}`
    case 'diverged':
      return verbose ? `changed here: ${showName(event.path)}` : undefined
    case 'unclear':
      return `not read: ${showName(event.path)}: ${showName(event.message)}`
    case 'verifying':
      return undefined
    case 'verified':
      return describeEnd(event)
  }
}

function nameOf(thing: Extract<VerifyEvent, { type: 'damaged' | 'repaired' | 'unrepaired' }>): string {
  if (thing.what === 'file') return showName(thing.path)
  if (thing.what === 'block') return `block ${thing.block} of the ${thing.core} core`
  return `the ${thing.what}`
}

function describeEnd(end: Verified): string {
  const { files, filesTotal, bytes, blocks, blockBytes, damaged, repaired, left, diverged, sample } = end
  const part = sample < 1 ? ` of ${showCount(filesTotal)}` : ''
  const read = `Read ${showMany(files, 'file')}${part} (${showBytes(bytes)}) and ${showMany(blocks, 'block')} (${showBytes(blockBytes)})`
  const changed = diverged === 0 ? '' : `, ${showCount(diverged)} changed here`
  if (damaged === 0) return `${read}: nothing is damaged${changed}`
  const advice =
    left === 0
      ? ''
      : repaired === 0
        ? '. Give --repair'
        : '. The rest needs a peer that has it: run it again when one is there'
  return `${read}: ${showCount(damaged)} damaged, ${showCount(repaired)} repaired${changed}${advice}`
}

/** `5%`, or `0.05`. */
function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim())
  const share = Number(match?.[1]) / (match?.[2] === '%' ? 100 : 1)
  if (match === null || !(share > 0 && share <= 1))
    throw new InvalidArgumentError('Give a share such as 5%, up to 100%.')
  return share
}
