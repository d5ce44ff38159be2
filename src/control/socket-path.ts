import { closeSync, constants, existsSync, openSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** The longest name of a socket that Linux and macOS accept (108 and 104 bytes), rounded down. */
const nameBytesMax = 100
/** How long the directory stays open for a name through `/proc`, in milliseconds. */
const openMs = 1000

/** The sockets that a running folder may listen on, in the order in which it tries them. */
export function socketPaths(home: string, id: string): readonly string[] {
  const runtime = process.env.XDG_RUNTIME_DIR
  const fallback = runtime !== undefined && existsSync(runtime) ? runtime : tmpdir()
  return [join(home, 'control.sock'), join(fallback, `p2psync-${id}.sock`)]
}

/** Passes a name for the socket that is short enough for the system: on Linux, a long one goes through `/proc`. */
export function withShortName<T>(path: string, act: (name: string) => T): T {
  if (Buffer.byteLength(path) <= nameBytesMax || process.platform !== 'linux') return act(path)
  const directory = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
  const close = () => closeSync(directory)
  try {
    const result = act(`/proc/self/fd/${directory}/${path.slice(dirname(path).length + 1)}`)
    // Node connects and listens only after this turn, and the name must still lead there.
    setTimeout(close, openMs).unref()
    return result
  } catch (error) {
    close()
    throw error
  }
}
