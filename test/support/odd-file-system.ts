import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Assert } from 'brittle'
import type { FuseOptions } from './fuse-server.ts'
import { test } from './together.ts'
import { until } from './until.ts'

/**
 * exFAT treats `A` and `a` as one name, keeps neither modes nor milliseconds, supports no links, and numbers
 * its inodes anew at each mount. NTFS, as mounted here, also ignores case, lists names in lower case, and keeps no modes.
 */
export type OddKind = 'exfat' | 'ntfs'

export const oddKinds: readonly OddKind[] = ['exfat', 'ntfs']

const tools: Readonly<Record<OddKind, readonly string[]>> = {
  exfat: ['mkfs.exfat', 'mount.exfat-fuse', 'losetup'],
  ntfs: ['mkfs.ntfs', 'lowntfs-3g']
}
const packages: Readonly<Record<OddKind, string>> = { exfat: 'exfatprogs and exfat-fuse', ntfs: 'ntfs-3g' }

/** A test that needs a file system of an odd kind; skipped, with the reason in its name, if it can't be mounted. */
export function oddTest(name: string, kind: OddKind | 'memory', body: (t: Assert) => Promise<void>): void {
  const why = whyNot(kind)
  test(`${name} (${kind}${why === false ? '' : `: ${why}`})`, { skip: why !== false }, body)
}

function whyNot(kind: OddKind | 'memory'): string | false {
  if (process.platform !== 'linux') return 'only on Linux'
  if (process.getuid?.() !== 0) return 'only root can mount'
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse'
  if (kind === 'memory') return false
  if (kind === 'exfat' && !existsSync('/dev/loop-control')) return 'there are no loop devices'
  return tools[kind].every(isInstalled) ? false : `needs the packages ${packages[kind]}`
}

function isInstalled(tool: string): boolean {
  return `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin`
    .split(delimiter)
    .some((directory) => existsSync(join(directory, tool)))
}

/** Mounts the file system of `fuse-server.ts` until the test ends. @returns the mount point */
export async function memoryDisk(t: Assert, options: Partial<FuseOptions>): Promise<string> {
  const root = await t.tmp()
  const all: FuseOptions = { decomposes: false, foldsCase: false, refusesModes: false, ...options }
  const server = join(import.meta.dirname, 'fuse-server.js')
  const child = spawn(process.execPath, [server, root, JSON.stringify(all)], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const listen = (data: Buffer) => {
    output += data
  }
  child.stdout.on('data', listen)
  child.stderr.on('data', listen)
  const ended = new Promise((resolve) => child.once('close', resolve))
  t.teardown(
    async () => {
      if (output.startsWith('mounted')) unmountWhole(root)
      else child.kill()
      await ended
    },
    { order: 500, force: true }
  )
  await until(() => output.includes('\n'), { what: `the file system\n${output}` })
  if (!output.startsWith('mounted')) throw new Error(output)
  return root
}

/** A small disk of an odd kind, mounted until the test ends. */
export class OddDisk {
  /** Its mount point. */
  readonly root: string
  readonly #kind: OddKind
  readonly #image: string
  #device: string | undefined
  #mounted = false

  private constructor(kind: OddKind, directory: string) {
    this.#kind = kind
    this.root = join(directory, 'disk')
    this.#image = join(directory, 'image')
  }

  static async make(t: Assert, kind: OddKind): Promise<OddDisk> {
    const disk = new OddDisk(kind, await t.tmp())
    mkdirSync(disk.root)
    writeFileSync(disk.#image, '')
    truncateSync(disk.#image, 64 * 1024 * 1024)
    // After the test's commands have exited, before its directories are removed.
    t.teardown(() => disk.unmount(), { order: 500, force: true })
    disk.#attach()
    const target = disk.#device ?? disk.#image
    if (kind === 'exfat') run('mkfs.exfat', target)
    else run('mkfs.ntfs', '-F', '-Q', '-q', target)
    disk.mount()
    return disk
  }

  mount(): void {
    this.#attach()
    if (this.#kind === 'exfat') run('mount.exfat-fuse', this.#device as string, this.root)
    else run('lowntfs-3g', '-o', 'ignore_case', this.#image, this.root)
    this.#mounted = true
  }

  unmount(): void {
    if (this.#mounted) unmountWhole(this.root)
    this.#mounted = false
    if (this.#device !== undefined) run('losetup', '-d', this.#device)
    this.#device = undefined
  }

  /** Simulates unplugging the disk and plugging it in again. */
  remount(): void {
    this.unmount()
    this.mount()
  }

  #attach(): void {
    if (this.#kind === 'exfat') this.#device ??= run('losetup', '--find', '--show', this.#image).trim()
  }
}

function unmountWhole(root: string): void {
  try {
    run('umount', root)
  } catch {
    run('umount', '--lazy', root) // A failed test may have left a command running there.
  }
}

function run(command: string, ...args: readonly string[]): string {
  const env = { ...process.env, PATH: `${process.env.PATH}${delimiter}/usr/sbin${delimiter}/sbin` }
  return execFileSync(command, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
}
