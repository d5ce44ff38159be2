import { test } from 'brittle'
import { check } from '../../src/care/run-check.ts'

test('a check has a name', async (t) => {
  t.alike(await check('it', async () => ({ state: 'ok', message: 'fine' })), {
    name: 'it',
    state: 'ok',
    message: 'fine'
  })
})

test('a check that throws is a failure', async (t) => {
  const found = check('it', async () => {
    throw new Error('all is lost')
  })
  t.alike(await found, { name: 'it', state: 'failure', message: 'all is lost' })
})

test('a check that never ends is given up', async (t) => {
  const { state, message } = await check('it', () => new Promise(() => {}))
  t.is(state, 'warning')
  t.is(message, 'not known after 5 s')
})
