import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { PathIndexFile } from '../../src/disk/state/index-file.ts'
import { Indexing } from '../../src/query/indexing.ts'
import { directoryOf } from '../support/entries.ts'
import { commit, openWriter } from '../support/log.ts'
import { until } from '../support/until.ts'

/** As many changes as are worth an index. */
const enough = Object.fromEntries(Array.from({ length: 4200 }, (_, i) => [`d${i}`, directoryOf()]))

test('the index of paths is written by itself, and ends with its folder', async (t) => {
  const home = await t.tmp()
  const { writer } = await openWriter(t)
  await commit(writer, enough)
  const view = writer.view({ received: () => 0, patienceMs: 100 }, new PathIndexFile(home))
  let listeners = 0
  const onChange = (_listener: () => void) => {
    listeners++
    return () => void listeners--
  }
  const indexing = new Indexing({ view, onChange })
  t.is(listeners, 1)
  await until(() => existsSync(join(home, 'path-index')), { what: 'the index' })
  await indexing.close()
  t.is(listeners, 0)
})

test('one that is closed before it began writes nothing', async (t) => {
  const home = await t.tmp()
  const { writer } = await openWriter(t)
  await commit(writer, enough)
  const view = writer.view({ received: () => 0, patienceMs: 100 }, new PathIndexFile(home))
  let change = () => {}
  const onChange = (listener: () => void) => {
    change = listener
    return () => {}
  }
  const indexing = new Indexing({ view, onChange })
  await indexing.close()
  change()
  await new Promise<void>((resolve) => setTimeout(resolve, 2500))
  t.absent(existsSync(join(home, 'path-index')))
})
