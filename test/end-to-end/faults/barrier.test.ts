import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { State } from '../../../src/disk/state/state.ts'
import { startClone, startShare } from '../../support/cli.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

const files = 20
const onLinux = process.platform === 'linux'

/** A `sync` that records its calls, and waits until the test lets it continue. */
class Gate {
  readonly #home: string

  constructor(home: string, exitStatus: number) {
    this.#home = home
    const script = `#!/bin/sh
echo call >> '${home}/calls'
n=$(wc -l < '${home}/calls')
while [ ! -e '${home}/go' ] && [ ! -e "${home}/go-$n" ]; do sleep 0.02; done
exit ${exitStatus}
`
    writeFileSync(join(home, 'sync'), script)
    chmodSync(join(home, 'sync'), 0o755)
  }

  get env(): NodeJS.ProcessEnv {
    return { PATH: `${this.#home}:${process.env.PATH}` }
  }

  get calls(): number {
    return existsSync(join(this.#home, 'calls')) ? readFileSync(join(this.#home, 'calls'), 'utf8').length / 5 : 0
  }

  async called(times: number): Promise<void> {
    await until(() => this.calls >= times, { what: `barrier ${times}` })
  }

  /** Lets one call end, or all from now on. */
  open(call?: number): void {
    writeFileSync(join(this.#home, call === undefined ? 'go' : `go-${call}`), '')
  }
}

async function setUp(t: Assert, exitStatus: number) {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  const mirror = join(await t.tmp(), 'mirror')
  for (let i = 0; i < files; i++) {
    mkdirSync(join(source, `${i}`))
    writeFileSync(join(source, `${i}/file`), `content ${i}`)
  }
  const { key } = await startShare(t, source, { bootstrap })
  const gate = new Gate(await t.tmp(), exitStatus)
  const clone = (env: NodeJS.ProcessEnv = {}) => startClone(t, key, mirror, { bootstrap, env })
  return { source, mirror, gate, clone }
}

const filesIn = (mirror: string) =>
  readdirSync(mirror, { recursive: true, encoding: 'utf8' }).filter((name) => /^\d+\/file$/.test(name)).length

test('files are moved into place only when durable, and recorded only when their places are durable', {
  skip: !onLinux
}, async (t) => {
  const { source, mirror, gate, clone } = await setUp(t, 0)
  const first = clone(gate.env)
  await gate.called(1)
  t.is(readdirSync(join(mirror, '.p2psync/staging')).length, files, 'all files are staged')
  t.is(filesIn(mirror), 0, 'before the first barrier no file is in place')

  gate.open(1)
  await gate.called(2)
  t.is(filesIn(mirror), files, 'after it all files are in place')
  t.absent(first.events.some(({ type }) => type === 'applied'))
  await first.kill('SIGKILL')
  const state = await State.open(join(mirror, '.p2psync/state'))
  const [baseline, applied] = [await state.baseline(), await state.note('applied')]
  await state.close()
  t.is([...baseline.keys()].filter((path) => path.endsWith('/file')).length, 0, 'no file is recorded')
  t.is(applied, undefined, 'no version is recorded')

  gate.open()
  const second = clone(gate.env)
  await second.event('in-sync')
  await waitUntilEqual(t, source, mirror)
})

test('after a failed sync each file is synced by fsync', { skip: !onLinux }, async (t) => {
  const { source, mirror, gate, clone } = await setUp(t, 1)
  gate.open()
  await clone(gate.env).event('in-sync')
  t.ok(gate.calls >= 2, 'sync was tried')
  await waitUntilEqual(t, source, mirror)
})
