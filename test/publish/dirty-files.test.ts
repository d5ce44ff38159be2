import { test } from 'brittle'
import { chunkBytesMin } from '../../src/chunk/chunker.ts'
import { packBytesTarget } from '../../src/format/pack-codec.ts'
import { DirtyFileQueue } from '../../src/publish/dirty-files.ts'
import type { Scan, ScanDiff, SeenFile } from '../../src/tree/diff.ts'
import { pathOf } from '../support/entries.ts'

/** A queue of files of these sizes, called by their numbers. */
function queueOf(sizes: readonly number[]): DirtyFileQueue {
  const suspects = sizes.map((_, i) => pathOf(String(i)))
  const seen = new Map(suspects.map((path, i) => [path, { type: 'file', size: sizes[i] } as SeenFile]))
  return new DirtyFileQueue({ suspects } as unknown as ScanDiff, { seen } as unknown as Scan)
}

/** All that comes out of a queue: a number for a file by itself. */
function drained(queue: DirtyFileQueue): (number | number[])[] {
  const out: (number | number[])[] = []
  for (let next = queue.next(); next !== undefined; next = queue.next()) {
    out.push('small' in next ? next.small.map(Number) : Number(next.path))
  }
  return out
}

const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i)

test('small files come in batches that fill a pack and no more, in their order', (t) => {
  const queue = queueOf(Array.from({ length: 20 }, () => packBytesTarget / 8))
  t.alike([queue.files, queue.bytes], [20, 20 * (packBytesTarget / 8)])
  t.alike(drained(queue), [range(0, 8), range(8, 16), range(16, 20)])
  t.ok(queue.isEmpty)
})

test('a few files, and large ones, come by themselves', (t) => {
  t.alike(drained(queueOf([1, 2, 3])), [0, 1, 2])
  const sizes = Array.from({ length: 18 }, (_, i) => (i === 1 || i === 5 ? chunkBytesMin : 10))
  t.alike(drained(queueOf(sizes)), [1, 5, [0, 2, 3, 4, ...range(6, 18)]])
})

test('what is put off comes next, by itself', (t) => {
  const queue = queueOf(Array.from({ length: 16 }, () => 1))
  queue.next()
  t.ok(queue.isEmpty)
  queue.later(pathOf('3'))
  t.absent(queue.isEmpty)
  t.alike(queue.next(), { path: '3', size: 1 })
})

test('batches of tiny and of empty files have an end', (t) => {
  const batches = drained(queueOf(Array.from({ length: 1100 }, () => 0)))
  t.alike(
    batches.map((batch) => (batch as number[]).length),
    [512, 512, 76]
  )
})
