import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { diskBytes, freeBytes } from '../../../src/disk/path/space.ts'
import { diskUsage } from '../../../src/disk/path/usage.ts'

test('diskBytes gives the size of the disk, at least its free bytes', async (t) => {
  const root = await t.tmp()
  const total = diskBytes(root)
  const free = freeBytes(root)
  t.ok(Number.isSafeInteger(total) && Number.isSafeInteger(free), `${total} and ${free} are whole bytes`)
  t.ok(total > 0 && free <= total)
  const [size] = execFileSync('stat', ['-f', '-c', '%b %S', root], { encoding: 'utf8' }).trim().split('\n')
  const [blocks, blockBytes] = (size ?? '').split(' ').map(Number)
  t.is(total, Number(blocks) * Number(blockBytes), 'the size that `stat` prints')
})

test('the space of a path that does not exist counts as unlimited', async (t) => {
  const missing = join(await t.tmp(), 'missing')
  t.is(diskBytes(missing), Number.POSITIVE_INFINITY)
  t.is(freeBytes(missing), Number.POSITIVE_INFINITY)
})

test('diskUsage sums the blocks of all files beneath a directory', async (t) => {
  const root = await t.tmp()
  t.is(diskUsage(root), 0)
  t.is(diskUsage(join(root, 'missing')), 0)
  mkdirSync(join(root, 'a/b'), { recursive: true })
  writeFileSync(join(root, 'top'), Buffer.alloc(100_000, 1))
  writeFileSync(join(root, 'a/b/deep'), Buffer.alloc(300_000, 1))
  const used = diskUsage(root)
  t.ok(used >= 400_000 && used < 600_000, `${used} bytes`)
  t.is(diskUsage(join(root, 'a')), diskUsage(join(root, 'a/b')))
})

test('diskUsage does not follow symlinks and counts a hole as no space', async (t) => {
  const root = await t.tmp()
  const outside = await t.tmp()
  writeFileSync(join(outside, 'large'), Buffer.alloc(1_000_000, 1))
  symlinkSync(outside, join(root, 'link'))
  writeFileSync(join(root, 'sparse'), '')
  execFileSync('truncate', ['-s', '50M', join(root, 'sparse')])
  t.ok(diskUsage(root) < 100_000, `${diskUsage(root)} bytes`)
})
