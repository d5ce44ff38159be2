import { setMaxListeners } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type ErrorCode, messageOf, SyncError } from '../errors.ts'
import type { FolderHandle } from '../handle/folder-handle.ts'
import { parseParams } from '../handle/operation-params.ts'
import { acts, operate } from '../handle/operations.ts'
import { type ContentParams, content } from '../query/content.ts'
import { socketPaths, withShortName } from './socket-path.ts'

/** The largest parameters of a request, in bytes. */
const bodyBytesMax = 1024 * 1024
/** How much a client of the events may be behind before it misses some, in bytes. */
const unreadEventBytesMax = 1024 * 1024
/** How often to send a comment to a client of the events, so that either end notices when the other one has gone. */
const keepAliveMs = 15_000

/** The HTTP statuses of errors; 500 for the others. */
const statuses: Partial<Record<ErrorCode, number>> = {
  USAGE: 400,
  NO_SUCH_PATH: 404,
  NO_SUCH_VERSION: 404,
  NOT_READY: 409,
  CLOSED: 409
}

/** Lets other processes of the user run operations on an open folder. CONTROL.md is the protocol. */
export class ControlServer {
  readonly #handle: FolderHandle
  readonly #server: Server
  readonly #stop = new AbortController()
  #path: string | undefined

  constructor(handle: FolderHandle) {
    this.#handle = handle
    // Each request in progress adds a listener.
    setMaxListeners(0, this.#stop.signal)
    this.#server = createServer((request, response) => void this.#answer(request, response))
    // A watch has no traffic while nothing happens.
    this.#server.requestTimeout = 0
    this.#server.timeout = 0
  }

  /**
   * Listens. The folder's lock excludes other processes, so a socket that is there is a leftover, and is replaced.
   *
   * @param home the folder's state directory
   * @returns whether it listens; without a socket, the folder runs all the same
   */
  async listen(home: string, id: string): Promise<boolean> {
    for (const path of socketPaths(home, id)) {
      try {
        await this.#listenAt(path)
        this.#path = path
        return true
      } catch {
        // Some file systems have no sockets; the next path may work.
      }
    }
    return false
  }

  async close(): Promise<void> {
    this.#stop.abort()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    if (this.#path !== undefined) await closed
    if (this.#path !== undefined) rmSync(this.#path, { force: true })
  }

  async #listenAt(path: string): Promise<void> {
    rmSync(path, { force: true })
    // Keeps others out in the moment before chmod.
    const umask = process.umask(0o177)
    try {
      await withShortName(
        path,
        (name) =>
          new Promise<void>((resolve, reject) => {
            this.#server.once('error', reject)
            this.#server.listen(name, () => {
              this.#server.off('error', reject)
              resolve()
            })
            process.umask(umask)
          })
      )
    } finally {
      process.umask(umask)
    }
    chmodSync(path, 0o600)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ended = new AbortController()
    const end = () => ended.abort()
    response.once('close', end)
    this.#stop.signal.addEventListener('abort', end)
    try {
      const { name, query } = parseTarget(request.url ?? '/')
      const params = request.method === 'POST' ? await bodyOf(request) : paramsOf(query)
      if (name === 'events') await this.#events(response, ended.signal)
      else if (name === 'content') await this.#content(params, response, ended.signal)
      else await this.#operation(name, request.method ?? 'GET', params, response, ended.signal)
      response.end()
    } catch (error) {
      if (!ended.signal.aborted) fail(response, error)
    } finally {
      response.off('close', end)
      this.#stop.signal.removeEventListener('abort', end)
    }
  }

  async #operation(
    name: string,
    method: string,
    params: Readonly<Record<string, unknown>>,
    response: ServerResponse,
    signal: AbortSignal
  ): Promise<void> {
    const isActing = acts(name)
    if (isActing === undefined) throw new NoOperation(name)
    if (isActing && method !== 'POST') throw new SyncError('USAGE', `${name} requires POST`)
    for await (const record of operate(this.#handle, name, params, signal)) {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      if (!response.write(`${JSON.stringify(record)}\n`)) await drained(response, signal)
    }
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  }

  async #content(
    given: Readonly<Record<string, unknown>>,
    response: ServerResponse,
    signal: AbortSignal
  ): Promise<void> {
    const schema = { path: 'text', version: 'text?', start: 'integer?', end: 'integer?' } as const
    const params = parseParams(schema, given) as unknown as ContentParams
    const { bytes, length } = await content(this.#handle.source, params, signal)
    const headers = { 'content-type': 'application/octet-stream', 'content-length': length }
    for await (const piece of bytes) {
      if (!response.headersSent) response.writeHead(200, headers)
      // A copy: the next piece reuses the memory of this one.
      if (!response.write(Buffer.from(piece))) await drained(response, signal)
    }
    if (!response.headersSent) response.writeHead(200, headers)
  }

  async #events(response: ServerResponse, signal: AbortSignal): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(': p2psync\n\n')
    const unsubscribe = this.#handle.subscribe((event) => {
      // A client that doesn't read misses events rather than fill our memory.
      if (response.writableLength < unreadEventBytesMax)
        response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    })
    const timer = setInterval(() => response.write(':\n\n'), keepAliveMs)
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    clearInterval(timer)
    unsubscribe()
  }
}

class NoOperation extends SyncError {
  constructor(name: string) {
    super('USAGE', `There is no ${name} in version 1 of the control API`)
  }
}

function parseTarget(target: string): { readonly name: string; readonly query: URLSearchParams } {
  const [path = '', ...query] = target.split('?')
  const [, name] = /^\/v1\/(\w+)$/.exec(path) ?? []
  if (name === undefined) throw new NoOperation(path)
  return { name, query: new URLSearchParams(query.join('?')) }
}

function paramsOf(query: URLSearchParams): Record<string, unknown> {
  const params: Record<string, unknown> = {}
  for (const name of new Set(query.keys())) {
    const values = query.getAll(name)
    params[name] = values.length === 1 ? values[0] : values
  }
  return params
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const pieces: Buffer[] = []
  let bytes = 0
  // By default, leaving the loop destroys the connection, and the answer with it.
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > bodyBytesMax) throw new SyncError('USAGE', 'The request is too large')
    pieces.push(piece)
  }
  if (bytes === 0) return {}
  try {
    const params: unknown = JSON.parse(Buffer.concat(pieces).toString())
    if (typeof params === 'object' && params !== null && !Array.isArray(params))
      return params as Record<string, unknown>
  } catch {
    // Falls through to the error below.
  }
  throw new SyncError('USAGE', 'The parameters must be a JSON object')
}

function fail(response: ServerResponse, error: unknown): void {
  const code = error instanceof SyncError ? error.code : 'UNEXPECTED'
  const line = `${JSON.stringify({ type: 'error', code, message: messageOf(error) })}\n`
  if (response.headersSent && response.getHeader('content-length') !== undefined) {
    // Among the bytes of a file there is no place for a message: the client sees them break off, and asks again.
    response.destroy()
    return
  }
  if (!response.headersSent) {
    const status = error instanceof NoOperation ? 404 : (statuses[code as ErrorCode] ?? 500)
    response.writeHead(status, { 'content-type': 'application/x-ndjson' })
  }
  response.end(line)
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      response.off('drain', onDrain)
      signal.removeEventListener('abort', onAbort)
    }
    const onDrain = () => {
      end()
      resolve()
    }
    const onAbort = () => {
      end()
      reject(signal.reason)
    }
    if (signal.aborted) return onAbort()
    response.once('drain', onDrain)
    signal.addEventListener('abort', onAbort)
  })
}
