import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { Assert } from 'brittle'

/** Whether file systems can be mounted here: that takes root. */
export const canMount = process.platform === 'linux' && process.getuid?.() === 0

/** Something that is mounted until it is taken away, or the test ends. */
export interface Mount {
  /** Takes it away as an unplugged disk goes: at once, whoever has files of it open. */
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

/** A file system of its own, on a disk that is a file: whatever is in that file is on the disk. */
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
  let stands = false
  const handle = {
    mount() {
      mount()
      stands = true
    },
    unmount() {
      if (stands) execFileSync('umount', ['--lazy', at])
      stands = false
    }
  }
  t.teardown(() => handle.unmount(), { order: 500 })
  handle.mount()
  return handle
}
