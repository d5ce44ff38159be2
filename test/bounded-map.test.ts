import { test } from 'brittle'
import { BoundedMap } from '../src/bounded-map.ts'

test('one key beyond the bound evicts the key that was set first', (t) => {
  const evicted: number[] = []
  const map = new BoundedMap<string, number>(2, (value) => evicted.push(value))
  map.set('a', 1).set('b', 2)
  t.alike([[...map], evicted], [[...Object.entries({ a: 1, b: 2 })], []])
  map.set('c', 3)
  t.alike([[...map], evicted], [[...Object.entries({ b: 2, c: 3 })], [1]])
})

test('setting a key again keeps its place, renewing it makes it the newest', (t) => {
  const again = new BoundedMap<string, number>(2).set('a', 1).set('b', 2).set('a', 3).set('c', 4)
  t.alike([...again.keys()], ['b', 'c'])
  const renewed = new BoundedMap<string, number>(2).set('a', 1).set('b', 2).renew('a', 3).set('c', 4)
  t.alike(
    [...renewed],
    [
      ['a', 3],
      ['c', 4]
    ]
  )
})

test('a key that the caller deletes is not evicted', (t) => {
  const evicted: number[] = []
  const map = new BoundedMap<string, number>(1, (value) => evicted.push(value)).set('a', 1)
  map.delete('a')
  map.set('b', 2)
  t.alike([[...map.keys()], evicted], [['b'], []])
})
