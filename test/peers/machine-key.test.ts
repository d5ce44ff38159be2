import { join } from 'node:path'
import { test } from 'brittle'
import { machineKey } from '../../src/peers/machine-key.ts'

test('a machine keeps its key, and another has another', async (t) => {
  const env = { XDG_STATE_HOME: join(await t.tmp(), 'state') }
  const key = machineKey(env)
  t.ok(/^[a-z0-9]{52}$/.test(key))
  t.is(machineKey(env), key)
  t.not(machineKey({ XDG_STATE_HOME: join(await t.tmp(), 'state') }), key)
})
