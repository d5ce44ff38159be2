import { readdirSync, readlinkSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { type Command, type Scope, type StartOptions, start } from './cli.ts'

export interface CommandResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** Its records with --json. */
  readonly records: readonly OutputRecord[]
}

/** A record of any operation. */
export interface OutputRecord {
  readonly type: string
  readonly path?: string
  readonly version?: number
  readonly code?: string
  readonly message?: string
  readonly [field: string]: unknown
}

/** Runs a command to its end. */
export async function run(t: Scope, args: readonly string[], options: StartOptions = {}): Promise<CommandResult> {
  const command = start(t, args, options)
  const status = await command.exit()
  const { stdout, stderr } = command
  return { status, stdout, stderr, records: args.includes('--json') ? recordsIn(stdout) : [] }
}

export function recordsIn(text: string): OutputRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as OutputRecord)
}

export function socketOf(folder: string): string {
  return join(folder, '.p2psync', 'control.sock')
}

export interface Answer {
  readonly status: number
  readonly type: string | undefined
  readonly body: Buffer
  readonly records: readonly OutputRecord[]
}

/** Sends a request to a running folder over its socket. `body` makes it a POST. */
export function askSocket(socketPath: string, path: string, body?: string | object, method?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method: method ?? (body === undefined ? 'GET' : 'POST') }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.once('error', reject)
      response.once('end', () => {
        const all = Buffer.concat(pieces)
        const type = response.headers['content-type']
        const records = type === 'application/x-ndjson' ? recordsIn(all.toString()) : []
        resolve({ status: response.statusCode ?? 0, type, body: all, records })
      })
    })
    asked.once('error', reject)
    asked.end(typeof body === 'object' ? JSON.stringify(body) : body)
  })
}

/** How many sockets a command has open; two are its output and its errors. */
export function socketsOf({ pid }: Command): number {
  return readdirSync(`/proc/${pid}/fd`).filter((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`).startsWith('socket:')
    } catch {
      return false // The descriptor was closed meanwhile.
    }
  }).length
}
