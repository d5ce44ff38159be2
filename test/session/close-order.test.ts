import { test } from 'brittle'
import { CloseOrder } from '../../src/session/close-order.ts'
import { failureOf } from '../support/failure.ts'

const stages = ['loop', 'network', 'store'] as const

test('stages close in their order, whatever was opened first', async (t) => {
  const closed: string[] = []
  const order = new CloseOrder(stages)
  const store = order.add('store', 'the store', (it) => void closed.push(it))
  t.is(store, 'the store')
  order.add('loop', 'the loop', async (it) => {
    await new Promise<void>((resolve) => setImmediate(resolve))
    closed.push(it)
  })
  await order.close()
  t.alike(closed, ['the loop', 'the store'], 'a stage without anything open is passed over')
})

test('a stage that fails keeps none from closing, and the first failure is thrown', async (t) => {
  const closed: string[] = []
  const order = new CloseOrder(stages)
  const [first, second] = [new Error('first'), new Error('second')]
  order.add('loop', first, (it) => {
    throw it
  })
  order.add('network', second, (it) => Promise.reject(it))
  order.add('store', 'the store', (it) => void closed.push(it))
  t.is(await failureOf(() => order.close()), first)
  t.alike(closed, ['the store'])
})

test('it closes once, and every call waits for that', async (t) => {
  let count = 0
  const order = new CloseOrder(stages)
  order.add('store', undefined, () => void count++)
  await Promise.all([order.close(), order.close()])
  await order.close()
  t.is(count, 1)
})
