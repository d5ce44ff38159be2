import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { type ErrorCode, SyncError } from '../errors.ts'
import type { ContentParams } from '../sync/operations/content.ts'
import type { OperationName, ParamsOf, RecordOf } from '../sync/operations/table.ts'
import { socketPaths, withShortName } from './socket-path.ts'

/** Speaks with whoever is at work on a folder. CONTROL.md has the protocol. */
export class ControlClient {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Finds who is at work on a folder; `undefined` where nobody is, or it can't be reached. */
  static async find(home: string, id: string): Promise<ControlClient | undefined> {
    for (const path of socketPaths(home, id)) if (await isAnswered(path)) return new ControlClient(path)
    return undefined
  }

  /** Has an operation carried out. @throws {SyncError} whatever it throws; CLOSED when the other end goes */
  async *call<N extends OperationName>(name: N, params: ParamsOf<N>, signal: AbortSignal): AsyncGenerator<RecordOf<N>> {
    const response = await this.#request('POST', `/v1/${name}`, params, signal)
    for await (const line of linesOf(response, signal)) {
      const record = JSON.parse(line) as { readonly type: string; readonly code: ErrorCode; readonly message: string }
      if (record.type === 'error') throw new SyncError(record.code, record.message)
      yield record as unknown as RecordOf<N>
    }
  }

  /** A file's content, or a part of it. Throws as `call` does. */
  async *content(params: ContentParams, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(params)) if (value !== undefined) query.set(name, String(value))
    const response = await this.#request('GET', `/v1/content?${query}`, undefined, signal)
    try {
      yield* response as AsyncIterable<Uint8Array>
    } catch {
      signal.throwIfAborted()
      throw closed()
    }
  }

  async #request(method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      withShortName(this.#path, (socketPath) => {
        const asked = request({ socketPath, method, path, signal }, resolve)
        asked.on('error', (error) => reject(signal.aborted ? signal.reason : closed(error)))
        asked.end(body === undefined ? undefined : JSON.stringify(body))
      })
    })
    if (response.statusCode === 200) return response
    let text = ''
    for await (const piece of response) text += piece
    const { code, message } = JSON.parse(text) as { readonly code: ErrorCode; readonly message: string }
    throw new SyncError(code, message)
  }
}

/** Whole lines alone: the last one of a process that was killed may be cut off. */
async function* linesOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<string> {
  let rest = ''
  response.setEncoding('utf8')
  try {
    for await (const piece of response as AsyncIterable<string>) {
      const lines = (rest + piece).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
  } catch (error) {
    signal.throwIfAborted()
    throw closed(error)
  }
  if (!response.complete) throw closed()
}

function closed(cause?: unknown): SyncError {
  return new SyncError('CLOSED', 'Who is at work on the folder has ended. Try again', { cause })
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
