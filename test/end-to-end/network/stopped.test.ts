import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, startClone, startShare } from '../../support/cli.ts'
import { namespaceTest, openLan } from '../../support/namespaces.ts'
import { arrives } from '../../support/timed.ts'
import { until } from '../../support/until.ts'

/** Much longer than a connection to another machine may be silent. */
const stoppedMs = 20_000

for (const who of ['source', 'reader'] as const) {
  namespaceTest(`a ${who} that is suspended for long keeps its connections within a machine`, async (t) => {
    const [host] = openLan(t, 1)
    const [source, mirrors] = [await t.tmp(), await t.tmp()]
    writeFileSync(join(source, 'file'), 'first')
    const options = { bootstrap: 'none', ...(host && { host }) }
    const writer = await startShare(t, source, options)
    const names = ['a', 'b'].map((name) => join(mirrors, name)) as [string, string]
    const readers = names.map((mirror) => startClone(t, writer.key, mirror, options)) as [Command, Command]
    const all = [writer, ...readers]
    const peerEvents = ({ events }: Command, state: string) =>
      events.filter((event) => event.type === 'peer' && event.state === state)
    for (const mirror of names) await arrives(mirror, 'first')
    await until(() => all.every((command) => peerEvents(command, 'connected').length === 2), { what: 'all pairs' })

    const stopped = who === 'source' ? writer : readers[0]
    process.kill(stopped.pid, 'SIGSTOP')
    await sleep(stoppedMs)
    process.kill(stopped.pid, 'SIGCONT')
    writeFileSync(join(source, 'file'), 'second')
    for (const mirror of names) await arrives(mirror, 'second')
    for (const command of all) {
      t.is(peerEvents(command, 'connected').length, 2, 'two connections')
      t.alike(peerEvents(command, 'disconnected'), [], 'no connection was lost')
    }
  })
}
