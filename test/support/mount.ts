import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { Assert } from 'brittle'

/** Whether tests can mount file systems: this takes root. */
export const canMount = process.platform === 'linux' && process.getuid?.() === 0

/** A mount that lasts until it is unmounted or the test ends. */
export interface Mount {
  /** Unmounts it like an unplugged disk: at once, even with open files. */
  unmount(): void
  mount(): void
}

/** Mounts the directory `from` at `to`, as a disk that holds it would be. */
export function bindMount(t: Assert, from: string, to: string, options = 'rw'): Mount {
  return mounted(t, to, () => {
    execFileSync('mount', ['--bind', from, to])
    if (options !== 'rw') execFileSync('mount', ['-o', `remount,bind,${options}`, to])
  })
}

/** Mounts a file system of its own, in memory, at `to`. */
export function memoryMount(t: Assert, to: string): Mount {
  return mounted(t, to, () => execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=755', 'tmpfs', to]))
}

/** A file system of its own, on a disk that is a file: the file holds the disk's raw bytes. */
export interface Disk extends Mount {
  readonly image: string
}

/** Mounts a disk of `megabytes` with an empty ext4 at `to`. */
export function diskMount(t: Assert, to: string, megabytes: number): Disk {
  const image = `${to}.img`
  execFileSync('truncate', ['-s', `${megabytes}M`, image])
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image])
  const mount = mounted(t, to, () => execFileSync('mount', ['-o', 'loop', image, to]))
  return { ...mount, image }
}

function mounted(t: Assert, at: string, mount: () => void): Mount {
  mkdirSync(at, { recursive: true })
  let isMounted = false
  const handle = {
    mount() {
      mount()
      isMounted = true
    },
    unmount() {
      if (isMounted) execFileSync('umount', ['--lazy', at])
      isMounted = false
    }
  }
  t.teardown(() => handle.unmount(), { order: 500 })
  handle.mount()
  return handle
}
