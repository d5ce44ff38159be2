import { test } from 'brittle'
import { FolderQueue } from '../../src/folder/folder-queue.ts'
import { Monitor } from '../../src/folder/monitor.ts'
import { PauseGate } from '../../src/folder/pause-gate.ts'

/** A gate on a state directory, with the pauses and their ends that it reports. */
function gateOn(home: string) {
  const monitor = new Monitor()
  const reported: boolean[] = []
  monitor.subscribe((event) => {
    if (event.type === 'paused') reported.push(event.paused)
  })
  return { gate: new PauseGate(home, monitor), reported, queue: new FolderQueue() }
}

test('a pause holds passes until it ends', async (t) => {
  const { gate, queue, reported } = gateOn(await t.tmp())
  gate.begin(queue)
  gate.begin(queue)
  t.ok(gate.isOn)
  let isPassed = false
  const pass = queue.pass(async () => {
    isPassed = true
  })
  await queue.run(async () => {})
  t.absent(isPassed)
  t.ok(gate.end())
  await pass
  t.absent(gate.isOn)
  t.absent(gate.end(), 'there is none to end any more')
  t.alike(reported, [true, false], 'each is reported once')
})

test('a pause lasts across sessions', async (t) => {
  const home = await t.tmp()
  const first = gateOn(home)
  first.gate.begin(undefined)
  t.alike(first.reported, [], 'nothing is held without a session')
  const second = gateOn(home)
  second.gate.holdIfPaused(second.queue)
  t.alike(second.reported, [true])
  second.gate.release()
  await second.queue.pass(async () => {})
  t.ok(second.gate.isOn, 'a session that closes leaves it on')
  t.absent(second.gate.end(), 'its queue is not held any more')
})

test('a folder that is not paused is not held', async (t) => {
  const { gate, queue, reported } = gateOn(await t.tmp())
  gate.holdIfPaused(queue)
  await queue.pass(async () => {})
  t.alike(reported, [])
})
