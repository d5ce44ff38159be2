import { lstatSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { type ErrorCode, SyncError } from '../errors.ts'
import type { OperationName, ParamsOf, RecordOf } from '../handle/operations.ts'
import type { ContentParams } from '../query/content.ts'
import { socketPaths, withShortName } from './socket-path.ts'

const newline = 0x0a

/** Speaks with whoever is at work on a folder. CONTROL.md has the protocol. */
export class ControlClient {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /** Finds who is at work on a folder; `undefined` where nobody is, or it can't be reached. */
  static async find(home: string, id: string): Promise<ControlClient | undefined> {
    for (const path of socketPaths(home, id)) {
      if (isOwn(path) && (await isAnswered(path))) return new ControlClient(path)
    }
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
    let received = 0
    try {
      for await (const piece of response as AsyncIterable<Uint8Array>) {
        received += piece.length
        yield piece
      }
    } catch {
      signal.throwIfAborted()
      // Why bytes break off is told to whoever asks for the next one.
      const start = (params.start ?? 0) + received
      for await (const _ of this.content({ ...params, start, end: start + 1 }, signal)) break
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

/** What stands between newlines, and nothing else that some take for one: names may have it. */
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
  return new SyncError('CLOSED', 'Who is at work on the folder has ended. Try again', { cause })
}

/** Whether a socket is this user's, or root's: another's may have been put where ours would be. */
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
