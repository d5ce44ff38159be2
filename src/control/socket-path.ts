import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** What the system takes for the name of a socket, without its end. */
const nameBytesMax = 100

/** Where a folder at work listens, in the order in which it tries. */
export function socketPaths(home: string, id: string): readonly string[] {
  const runtime = process.env.XDG_RUNTIME_DIR
  const fallback = runtime !== undefined && existsSync(runtime) ? runtime : tmpdir()
  return [join(home, 'control.sock'), join(fallback, `p2psync-${id}.sock`)]
}

/** Does something with a name that is short enough for the system; a long one is had by its directory. */
export function withShortName<T>(path: string, act: (name: string) => T): T {
  if (Buffer.byteLength(path) <= nameBytesMax || process.platform !== 'linux') return act(path)
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
  const close = () => closeSync(directory)
  try {
    const result = act(`/proc/self/fd/${directory}/${path.slice(dirname(path).length + 1)}`)
    // Node resolves it at once, but connects and listens a moment later.
    setTimeout(close, 1000).unref()
    return result
  } catch (error) {
    close()
    throw error
  }
}
