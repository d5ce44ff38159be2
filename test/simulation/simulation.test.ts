import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { type Command, startClone, startShare } from '../support/cli.ts'
import { waitUntilEqual } from '../support/snapshot.ts'
import { startTestnet } from '../support/testnet.ts'
import { Dice, edit } from './edits.ts'
import { roundsOr, seedsWith } from './seeds.ts'

const seeds = seedsWith(4711)
const rounds = roundsOr(12)

for (const seed of seeds) {
  test(`random edits and restarts leave two equal trees (seed ${seed})`, async (t) => {
    await simulate(t, seed)
  })
}

async function simulate(t: Assert, seed: number): Promise<void> {
  const dice = new Dice(seed)
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  // Times of directories are published with other changes or by a rescan: here soon.
  const inPlace = () => ['--in-place-above', dice.pick(['none', '1MiB', '128KiB'])]
  const share = () => startShare(t, source, { bootstrap, args: ['--rescan-interval', '1s', ...inPlace()] })
  const clone = () => startClone(t, key, mirror, { bootstrap, args: inPlace() })
  let writer = await share()
  const { key } = writer
  let reader: Command = clone()

  for (let round = 0; round < rounds; round++) {
    const done = [edit(dice, source)]
    for (let more = dice.roll(12); more > 0; more--) done.push(edit(dice, source))
    const signal = dice.pick(['SIGTERM', 'SIGKILL'] as const)
    const restart = dice.roll(6)
    if (restart === 0) {
      await reader.kill(signal)
      done.push(`${signal} to the reader`, edit(dice, source))
      reader = clone()
    }
    if (restart === 1) {
      await writer.kill(signal)
      done.push(`${signal} to the writer`, edit(dice, source))
      writer = await share()
      t.is(writer.key, key, 'the key stays')
    }
    t.comment(`round ${round}: ${done.map((text) => JSON.stringify(text)).join(', ')}`)
    if (dice.roll(3) > 0) await waitUntilEqual(t, source, mirror, { directoryTimes: true })
  }
  await waitUntilEqual(t, source, mirror, { directoryTimes: true })
  const errors = [...writer.events, ...reader.events].filter(({ type }) => type === 'error' || type === 'conflict')
  t.alike(errors, [], 'no errors or conflicts')
}
