import { lstatSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { type ErrorCode, SyncError } from '../errors.ts'
import type { OperationName, ParamsOf, RecordOf } from '../handle/operations.ts'
import type { ContentParams } from '../query/content.ts'
import { socketPaths, withShortName } from './socket-path.ts'

const newline = 0x0a

/** A client of the process that runs a folder. CONTROL.md is the protocol. */
export class ControlClient {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Finds the process that runs a folder; `undefined` when there is none, or none that answers. */
  static async find(home: string, id: string): Promise<ControlClient | undefined> {
    for (const path of socketPaths(home, id)) {
      if (isOwn(path) && (await isAnswered(path))) return new ControlClient(path)
    }
    return undefined
  }

  /** Runs an operation. @throws {SyncError} whatever it throws; CLOSED when the process ends */
  async *call<N extends OperationName>(name: N, params: ParamsOf<N>, signal: AbortSignal): AsyncGenerator<RecordOf<N>> {
    const response = await this.#request('POST', `/v1/${name}`, params, signal)
    for await (const line of linesOf(response, signal)) {
      const record = JSON.parse(line) as { readonly type: string; readonly code: ErrorCode; readonly message: string }
      if (record.type === 'error') throw new SyncError(record.code, record.message)
      // Both ends are the same package, or versions of it whose records only gain fields.
      yield record as unknown as RecordOf<N>
    }
  }

  /** The content of a file, or a part of it. Throws as `call` does. */
  async *content(params: ContentParams, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(params)) if (value !== undefined) query.set(name, String(value))
    const response = await this.#request('GET', `/v1/content?${query}`, undefined, signal)
    let received = 0
    try {
      for await (const piece of response as AsyncIterable<Uint8Array>) {
        received += piece.length
        yield piece
      }
    } catch {
      signal.throwIfAborted()
      // A broken stream of bytes has no place for a reason; a request for the next byte has.
      const start = (params.start ?? 0) + received
      for await (const _ of this.content({ ...params, start, end: start + 1 }, signal)) break
      throw closed()
    }
  }

  async #request(method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      withShortName(this.#path, (socketPath) => {
        const sent = request({ socketPath, method, path, signal }, resolve)
        sent.on('error', (error) => reject(signal.aborted ? signal.reason : closed(error)))
        sent.end(body === undefined ? undefined : JSON.stringify(body))
      })
    })
    if (response.statusCode === 200) return response
    let text = ''
    for await (const piece of response) text += piece
    const { code, message } = JSON.parse(text) as { readonly code: ErrorCode; readonly message: string }
    throw new SyncError(code, message)
  }
}

/** Splits at newlines only: names may contain the other characters that end a line for `readline`. */
async function* linesOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<string> {
  let pieces: Buffer[] = []
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      let from = 0
      for (let at = piece.indexOf(newline); at !== -1; at = piece.indexOf(newline, from)) {
        yield Buffer.concat([...pieces, piece.subarray(from, at)]).toString()
        pieces = []
        from = at + 1
      }
      if (from < piece.length) pieces.push(piece.subarray(from))
    }
  } catch (error) {
    signal.throwIfAborted()
    throw closed(error)
  }
}

function closed(cause?: unknown): SyncError {
  return new SyncError('CLOSED', 'The process that runs the folder has ended. Try again', { cause })
}

/** Whether a socket belongs to this user or root: in a shared directory, others can create one under our name. */
function isOwn(path: string): boolean {
  const uid = lstatSync(path, { throwIfNoEntry: false })?.uid
  const own = process.getuid?.()
  return uid !== undefined && (own === undefined || own === 0 || uid === own || uid === 0)
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      withShortName(path, (name) => {
        const socket = connect(name)
        socket.once('connect', () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', () => resolve(false))
      })
    } catch {
      resolve(false)
    }
  })
}
