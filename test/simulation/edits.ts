import {
  chmodSync,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { bytesOf } from '../support/bytes.ts'

/** Random numbers reproducible from a seed (mulberry32). */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** A number from 0 to `sides - 1`. */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % sides
  }

  pick<T>(things: readonly T[]): T {
    return things[this.roll(things.length)] as T
  }
}

// Few names, so that edits collide: a file becomes a directory, and back.
const names = ['a', 'b', 'c', 'd.txt', '.hidden', 'with space', 'new\nline', '🦉', 'ü', 'CON', '-rf', '$x'] as const
const sizes = [0, 1, 100, 5000, 70_000, 300_000, 2_500_000] as const

type Edit = (dice: Dice, root: string) => string

/** Every kind of edit that a user makes; each returns a description of itself. */
const edits: readonly Edit[] = [
  write,
  write,
  write,
  function append(dice, root) {
    const path = some(dice, root, 'file')
    if (path === undefined) return 'nothing to append to'
    writeFileSync(join(root, path), bytesOf(1 + dice.roll(1000), dice.roll(1e6)), { flag: 'a' })
    return `append to ${path}`
  },
  function truncate(dice, root) {
    const path = some(dice, root, 'file')
    if (path === undefined) return 'nothing to truncate'
    truncateSync(join(root, path), dice.roll(1 + lstatSync(join(root, path)).size))
    return `truncate ${path}`
  },
  function makeDirectory(dice, root) {
    const path = freshIn(dice, root)
    clear(root, path)
    mkdirSync(join(root, path, dice.pick(names)), { recursive: true })
    return `make the directory ${path}`
  },
  function remove(dice, root) {
    const path = some(dice, root)
    if (path === undefined) return 'nothing to remove'
    rmSync(join(root, path), { recursive: true })
    return `remove ${path}`
  },
  rename,
  rename,
  function copy(dice, root) {
    const from = some(dice, root, 'file')
    const to = freshIn(dice, root)
    if (from === undefined || from === to || from.startsWith(`${to}/`)) return 'nothing to copy'
    clear(root, to)
    copyFileSync(join(root, from), join(root, to))
    return `copy ${from} to ${to}`
  },
  function link(dice, root) {
    const path = freshIn(dice, root)
    clear(root, path)
    symlinkSync(dice.pick(['a', '../b', '/nowhere', '.', 'ü/🦉']), join(root, path))
    return `link ${path}`
  },
  function mode(dice, root) {
    const path = some(dice, root)
    if (path === undefined || lstatSync(join(root, path)).isSymbolicLink()) return 'no mode to change'
    chmodSync(join(root, path), dice.pick([0o700, 0o755, 0o750, 0o711, 0o777]))
    return `change the mode of ${path}`
  },
  function time(dice, root) {
    const path = some(dice, root)
    if (path === undefined) return 'no time to change'
    const seconds = String(dice.roll(4e9) / 1000 - 1e6)
    lutimesSync(join(root, path), seconds, seconds)
    return `change the time of ${path}`
  }
]

/** Makes one random edit beneath `root`. @returns its description */
export function edit(dice: Dice, root: string): string {
  return dice.pick(edits)(dice, root)
}

function write(dice: Dice, root: string): string {
  const path = freshIn(dice, root)
  clear(root, path)
  writeFileSync(join(root, path), bytesOf(dice.pick(sizes), dice.roll(1e6)))
  return `write ${path}`
}

function rename(dice: Dice, root: string): string {
  const from = some(dice, root)
  const to = freshIn(dice, root)
  if (from === undefined || from === to || to.startsWith(`${from}/`) || from.startsWith(`${to}/`))
    return 'nothing to rename'
  clear(root, to)
  renameSync(join(root, from), join(root, to))
  return `rename ${from} to ${to}`
}

function clear(root: string, path: string): void {
  rmSync(join(root, path), { recursive: true, force: true })
}

/** A path that exists, if any does. */
function some(dice: Dice, root: string, type?: 'file'): string | undefined {
  const paths = list(root).filter((path) => type === undefined || lstatSync(join(root, path)).isFile())
  return paths.length === 0 ? undefined : dice.pick(paths)
}

/** A path in an existing directory; the path may exist, too. */
function freshIn(dice: Dice, root: string): string {
  const directories = ['', ...list(root).filter((path) => lstatSync(join(root, path)).isDirectory())]
  return join(dice.pick(directories), dice.pick(names))
}

function list(root: string, prefix = ''): string[] {
  const paths: string[] = []
  for (const name of readdirSync(join(root, prefix)).sort()) {
    if (name === '.p2psync') continue
    const path = join(prefix, name)
    paths.push(path)
    if (lstatSync(join(root, path)).isDirectory()) paths.push(...list(root, path))
  }
  return paths
}
