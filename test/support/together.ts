import { availableParallelism } from 'node:os'
import { type Assert, test as brittleTest, type TestOptions } from 'brittle'
import { longTestHangMs, testHangMs } from './hang.ts'

export interface TogetherOptions extends TestOptions {
  /** Runs after the concurrent tests instead of beside them: it needs the whole machine, or suffers from other load. */
  readonly byItself?: boolean
}

interface Together {
  readonly name: string
  readonly options: TogetherOptions
  readonly body: (t: Assert) => unknown
}

/** How many tests of a file run at once. Most of the time they wait: for timeouts, slow links and other processes. */
const atOnceMax = availableParallelism() + 1

/** The tests of this file, which is a process of its own. */
let todo: Together[] | undefined

/**
 * A test that may run concurrently with the others of its file declared this way: each has all resources that
 * it needs for itself. Tests start in the order of the file, and print their durations.
 */
export function test(name: string, options: TogetherOptions, body: (t: Assert) => unknown): void
export function test(name: string, body: (t: Assert) => unknown): void
export function test(
  name: string,
  ...rest: [TogetherOptions, (t: Assert) => unknown] | [(t: Assert) => unknown]
): void {
  const [options, body] = rest.length === 1 ? [{}, rest[0]] : rest
  if (options.skip === true || options.todo === true) {
    brittleTest(name, options, body)
    return
  }
  if (todo === undefined) {
    todo = []
    // It starts when the whole file has been evaluated.
    brittleTest('concurrent tests', { timeout: longTestHangMs }, runAll)
  }
  todo.push({ name, options, body })
}

async function runAll(t: Assert): Promise<void> {
  const left = (todo ?? []).filter(({ options }) => options.byItself !== true).reverse()
  const worker = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await run(t, next)
  }
  await Promise.all(Array.from({ length: atOnceMax }, worker))
  for (const next of todo ?? []) if (next.options.byItself === true) await run(t, next)
}

async function run(t: Assert, { name, options, body }: Together): Promise<void> {
  const startMs = performance.now()
  await t.test(name, { timeout: testHangMs, ...options }, body)
  t.comment(`${name}: ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
}
