import { appendFileSync, chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOf } from '../support/bytes.ts'
import { seal } from '../support/sealed.ts'
import type { Dice } from './edits.ts'

const smallFiles = 8
const sizes = [40, 300, 5000, 60_000, 400_000] as const
const largeBytes = 2_500_000
const names = ['a', 'b', 'c', 'd'] as const

/**
 * Edits a folder in such a way that an observer of its mirror can judge each content by itself: each content is
 * sealed, and recorded for its path before one rename puts it there.
 */
export class SealedEdits {
  readonly #dice: Dice
  readonly #root: string
  readonly #published: string
  readonly #temporary: string
  #count = 0
  /** Contents of the paths beneath `free/`: an id, `directory` or `-> target`. */
  #free = new Map<string, string>()

  /** @param temporary a directory on the same file system */
  constructor(dice: Dice, root: string, published: string, temporary: string) {
    this.#dice = dice
    this.#root = root
    this.#published = published
    this.#temporary = temporary
    for (const path of ['steady', 'steady/deep', 'steady/deep/er', 'free', 'own']) this.#makeDirectory(path)
    for (let i = 0; i < smallFiles; i++) this.#write(`steady/${i}`, 300 * (i + 1))
    this.#write('steady/deep/er/small', 100)
    this.#write('steady/large', largeBytes)
    this.#write('steady/deep/large', largeBytes)
    this.#link('steady/link', 'target-0')
    this.#write('own/file', 200)
  }

  /** Makes a few edits. @returns their descriptions */
  some(): string[] {
    const done: string[] = []
    for (let more = 2 + this.#dice.roll(5); more > 0; more--) done.push(this.#dice.pick(this.#kinds)())
    return done
  }

  /** Makes an edit of each kind, so that a pass skips none of its steps. */
  every(): string[] {
    return this.#kinds.map((edit) => edit())
  }

  /** Edits `own/file` in the mirror, then in the source. @returns the id of the content that the mirror has to keep */
  clash(mirror: string): string {
    const id = this.#write('own/file', 500, mirror)
    this.#write('own/file', 700)
    return id
  }

  readonly #kinds = [
    () => this.#write(`steady/${this.#dice.roll(smallFiles)}`, 50 + this.#dice.roll(5000)),
    () => this.#write(`steady/${this.#dice.roll(smallFiles)}`, 50 + this.#dice.roll(5000)),
    () => this.#write('steady/deep/er/small', 50 + this.#dice.roll(300_000)),
    () => this.#grow(this.#dice.pick(['steady/large', 'steady/deep/large'])),
    () => this.#link('steady/link', `target-${this.#dice.roll(100)}`),
    () => this.#mode(`steady/${this.#dice.roll(smallFiles)}`),
    () => this.#create(),
    () => this.#create(),
    () => this.#create(),
    () => this.#createTree(),
    () => this.#remove(),
    () => this.#rename('file'),
    () => this.#rename('any'),
    () => this.#changeType()
  ]

  #publish(path: string, id: string): void {
    appendFileSync(this.#published, `${path}\t${id}\n`)
    if (path.startsWith('free/')) this.#free.set(path, id)
  }

  #write(path: string, size: number, root = this.#root, seed?: number): string {
    const id = `${path.replaceAll('/', '.').slice(-10)} ${++this.#count}`
    this.#publish(path, id)
    const at = join(this.#temporary, 'next')
    writeFileSync(at, seal(id, bytesOf(size, seed ?? this.#count)))
    renameSync(at, join(root, path))
    return id
  }

  /** Grows or shrinks a file; its beginning, and so most of its chunks, stay. */
  #grow(path: string): string {
    const size = largeBytes + 100_000 * this.#dice.roll(10)
    return `resize ${path}: ${this.#write(path, size, this.#root, path.length)}`
  }

  #link(path: string, target: string): string {
    this.#publish(path, `-> ${target}`)
    const at = join(this.#temporary, 'next')
    symlinkSync(target, at)
    renameSync(at, join(this.#root, path))
    return `link ${path}`
  }

  #mode(path: string): string {
    chmodSync(join(this.#root, path), this.#dice.pick([0o600, 0o640, 0o644, 0o755]))
    return `change the mode of ${path}`
  }

  #makeDirectory(path: string): void {
    this.#publish(path, 'directory')
    mkdirSync(join(this.#root, path), { recursive: true })
  }

  /** A path beneath `free/`, in an existing directory; whatever the path held is removed. */
  #fresh(): string {
    const directories = ['free', ...this.#paths('directory')]
    const path = `${this.#dice.pick(directories)}/${this.#dice.pick(names)}`
    this.#drop(path)
    return path
  }

  #paths(type: 'directory' | 'file' | 'any'): string[] {
    const isIt = (what: string) => {
      if (type === 'any') return true
      return type === 'directory' ? what === 'directory' : what !== 'directory' && !what.startsWith('->')
    }
    return [...this.#free].filter(([path, what]) => path !== 'free' && isIt(what)).map(([path]) => path)
  }

  #drop(path: string): void {
    rmSync(join(this.#root, path), { recursive: true, force: true })
    for (const other of [...this.#free.keys()])
      if (other === path || other.startsWith(`${path}/`)) this.#free.delete(other)
  }

  #create(): string {
    const path = this.#fresh()
    const kind = this.#dice.roll(6)
    if (kind === 0) return this.#link(path, `target-${this.#dice.roll(100)}`)
    if (kind > 1) return `create ${path}: ${this.#write(path, this.#dice.pick(sizes))}`
    this.#makeDirectory(path)
    return `make ${path}`
  }

  #createTree(): string {
    const top = this.#fresh()
    this.#makeDirectory(top)
    for (const name of names) this.#write(`${top}/${name}`, this.#dice.pick(sizes))
    return `make ${top} with files`
  }

  #remove(): string {
    const paths = this.#paths('any')
    if (paths.length === 0) return 'nothing to remove'
    const path = this.#dice.pick(paths)
    this.#drop(path)
    return `remove ${path}`
  }

  #rename(type: 'file' | 'any'): string {
    const paths = this.#paths(type)
    if (paths.length === 0) return 'nothing to rename'
    const from = this.#dice.pick(paths)
    const to = `free/${this.#dice.pick(names)}${this.#dice.roll(20)}`
    if (to === from || from.startsWith(`${to}/`)) return 'nothing to rename'
    this.#drop(to)
    for (const [path, what] of [...this.#free]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      this.#free.delete(path)
      this.#publish(to + path.slice(from.length), what)
    }
    renameSync(join(this.#root, from), join(this.#root, to))
    return `rename ${from} to ${to}`
  }

  #changeType(): string {
    const paths = this.#paths('any')
    if (paths.length === 0) return 'nothing to change'
    const path = this.#dice.pick(paths)
    const wasDirectory = this.#free.get(path) === 'directory'
    this.#drop(path)
    if (wasDirectory) this.#write(path, this.#dice.pick(sizes))
    else {
      this.#makeDirectory(path)
      this.#write(`${path}/${this.#dice.pick(names)}`, this.#dice.pick(sizes))
    }
    return `change the type of ${path}`
  }
}
