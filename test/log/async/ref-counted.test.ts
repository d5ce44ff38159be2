import { test } from 'brittle'
import { RefCounted } from '../../../src/log/async/ref-counted.ts'
import { until } from '../../support/until.ts'

class Item {
  isClosed = false

  async close(): Promise<void> {
    this.isClosed = true
  }
}

test('users of one key share an item, which closes some time after the last of them', async (t) => {
  const items = new RefCounted<Item>()
  let made = 0
  const make = () => {
    made++
    return new Item()
  }
  const [first, second] = [items.use('a', make), items.use('a', make)]
  t.is(first.item, second.item)
  first.end()
  second.end()
  t.is(first.item.isClosed, false, 'the next user is likely to come soon')
  const third = items.use('a', make)
  t.is(third.item, first.item)
  t.is(made, 1)
  third.end()
  await until(() => third.item.isClosed, { what: 'the end of an idle item' })
  const fourth = items.use('a', make)
  t.alike([made, fourth.item.isClosed], [2, false])
})

test('an item of another key replaces one, which closes when its last user ends', (t) => {
  const items = new RefCounted<Item>()
  const make = () => new Item()
  const [old, other] = [items.use('a', make), items.use('b', make)]
  t.not(old.item, other.item)
  t.is(old.item.isClosed, false)
  old.end()
  t.is(old.item.isClosed, true)
  other.end()
  items.use('c', make)
  t.is(other.item.isClosed, true, 'at once if nobody uses it')
})

test('an item that a user found broken is given to nobody else', (t) => {
  const items = new RefCounted<Item>()
  const make = () => new Item()
  const [first, second] = [items.use('a', make), items.use('a', make)]
  first.end(false)
  t.not(items.use('a', make).item, first.item)
  t.is(first.item.isClosed, false, 'its other user goes on')
  second.end()
  t.is(first.item.isClosed, true)
})
