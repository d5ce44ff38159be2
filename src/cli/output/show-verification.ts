import type { VerifyEvent } from '../../index.ts'
import { exitStatus } from './exit-status.ts'
import { printJson } from './print.ts'
import { showBytes, showCount, showMany, showName } from './text.ts'

type Verified = Extract<VerifyEvent, { type: 'verified' }>
type Finding = Extract<VerifyEvent, { type: 'damaged' | 'repaired' | 'unrepaired' }>

interface VerificationOptions {
  readonly json?: boolean
  /** Shows only damage. */
  readonly quiet?: boolean
  /** Also shows local changes. */
  readonly verbose?: boolean
}

/** Prints the events of a verification. @returns the exit status */
export async function showVerification(
  events: AsyncIterable<VerifyEvent>,
  { json, quiet = false, verbose = false }: VerificationOptions
): Promise<number> {
  let status: number = exitStatus.ok
  for await (const event of events) {
    if (event.type === 'verified') status = statusOf(event)
    const line = verificationLine(event, verbose)
    if (json) await printJson(event)
    else if (line !== undefined && (!quiet || isBad(event))) process.stderr.write(`${line}\n`)
  }
  return status
}

function statusOf({ left, unclear }: Verified): number {
  if (left > 0) return exitStatus.damaged
  return unclear > 0 ? exitStatus.partial : exitStatus.ok
}

function isBad({ type }: VerifyEvent): boolean {
  return type === 'damaged' || type === 'unrepaired' || type === 'unclear'
}

/** An event as a line for people; `undefined` for one of interest to programs only. */
export function verificationLine(event: VerifyEvent, verbose: boolean): string | undefined {
  switch (event.type) {
    case 'damaged':
      return `damaged: ${nameOf(event)}: ${showName(event.message)}`
    case 'repaired': {
      const kept = event.keptAs === undefined ? '' : `; the old contents are kept as ${showName(event.keptAs)}`
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
      return summaryLine(event)
  }
}

function nameOf(finding: Finding): string {
  if (finding.what === 'file') return showName(finding.path)
  if (finding.what === 'block') return `block ${finding.block} of the ${finding.core} core`
  return `the ${finding.what}`
}

function summaryLine(verified: Verified): string {
  const { files, filesTotal, bytes, blocks, blockBytes, damaged, repaired, diverged, sample } = verified
  const total = sample < 1 ? ` of ${showCount(filesTotal)}` : ''
  const filesRead = `${showMany(files, 'file')}${total} (${showBytes(bytes)})`
  const blocksRead = `${showMany(blocks, 'block')} (${showBytes(blockBytes)})`
  const damage = damaged === 0 ? 'nothing is damaged' : `${showCount(damaged)} damaged, ${showCount(repaired)} repaired`
  const changed = diverged === 0 ? '' : `, ${showCount(diverged)} changed here`
  return `Read ${filesRead} and ${blocksRead}: ${damage}${changed}${adviceOn(verified)}`
}

function adviceOn({ damaged, repaired, left }: Verified): string {
  if (damaged === 0 || left === 0) return ''
  return repaired === 0 ? '. Give --repair' : '. The rest needs a peer that has it: try again when one is connected'
}
