import { test } from 'brittle'
import { type Check, diagnose } from '../../src/index.ts'
import { codeOf } from '../support/failure.ts'

const key = 'y'.repeat(52)
const offline = { bootstrap: [], noLan: true }

async function peersOf(findPeers: (key: string) => Promise<Check>): Promise<Check | undefined> {
  for await (const check of diagnose({ ...offline, target: key, findPeers })) {
    if (check.name === 'peers') return check
  }
  return undefined
}

test('peers of a key are looked for by who can', async (t) => {
  let asked = ''
  const found: Check = { name: 'peers', state: 'ok', message: '2 peers' }
  const check = await peersOf(async (wanted) => {
    asked = wanted
    return found
  })
  t.is(asked, key)
  t.alike(check, found)
})

test('a check that throws is a failure, and the others go on', async (t) => {
  const check = await peersOf(async () => {
    throw new Error('all is lost')
  })
  t.alike(check, { name: 'peers', state: 'failure', message: 'all is lost' })
})

test('a check that never ends is given up', async (t) => {
  const check = await peersOf(() => new Promise(() => {}))
  t.is(check?.state, 'warning')
  t.is(check?.message, 'not known after 5 s')
})

test('a target that is nothing is refused before the first check', async (t) => {
  t.is(await codeOf(() => diagnose({ ...offline, target: 'nothing' }).next()), 'BAD_KEY')
  t.is(await codeOf(() => diagnose({ ...offline, target: '/nowhere/at/all' }).next()), 'FOLDER_MISSING')
})
