import { execFileSync } from 'node:child_process'
import { existsSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'

/** Why loop devices are unavailable, or `false` if they are available. */
export const noLoopDevices: string | false = whyNot()

/** A disk of its own, of few megabytes. */
export interface SmallDisk {
  /** Its mount point. */
  readonly path: string
  /** Fills it until only `bytes` are free. */
  fill(bytes: number): void
  /** Frees the space taken by `fill`. */
  empty(): void
  freeBytes(): number
}

/** Mounts a file system of `megabytes` in a file until the test ends. Stop the commands that use it first. */
export async function smallDisk(t: Assert, megabytes: number): Promise<SmallDisk> {
  const image = join(await t.tmp(), 'disk.img')
  const path = await t.tmp()
  writeFileSync(image, '')
  truncateSync(image, megabytes * 1024 * 1024)
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image])
  execFileSync('mount', ['-o', 'loop', image, path])
  // Detached at once, even with open files; the loop device is freed with the last of them.
  t.teardown(() => execFileSync('umount', ['--lazy', path]), { order: 500 })
  const ballasts: string[] = []
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  }
  return {
    path,
    freeBytes,
    fill: (bytes) => {
      // Other processes may take space on the disk meanwhile.
      const ballast = join(path, `ballast-${ballasts.length}`)
      ballasts.push(ballast)
      for (let margin = 0; ; margin += 100_000) {
        const size = freeBytes() - bytes - margin
        if (size <= 0) return
        try {
          execFileSync('fallocate', ['-l', String(size), ballast], { stdio: 'ignore' })
          return
        } catch {
          rmSync(ballast, { force: true })
        }
      }
    },
    empty: () => {
      for (const ballast of ballasts) rmSync(ballast, { force: true })
    }
  }
}

function whyNot(): string | false {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux'
  if (!existsSync('/dev/loop-control')) return 'needs loop devices'
  try {
    execFileSync('mkfs.ext4', ['-V'], { stdio: 'ignore' })
    return false
  } catch {
    return 'needs mkfs.ext4'
  }
}
