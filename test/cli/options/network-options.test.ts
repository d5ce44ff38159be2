import type { Assert } from 'brittle'
import { parsePeer } from '../../../src/cli/options/parse.ts'
import type { PeerAddress } from '../../../src/index.ts'
import { start } from '../../support/cli.ts'
import { test } from '../../support/together.ts'

const key = 'e8yxrqmgs8t5xqky7ssq6hp1h7gesf7gcw9ew5g6jbqzzfdg6rso'

const peers: ReadonlyArray<[text: string, peer: PeerAddress]> = [
  ['10.0.0.5:1234', { host: '10.0.0.5', port: 1234 }],
  ['nas.lan:1234', { host: 'nas.lan', port: 1234 }],
  ['[fd00::5]:1234', { host: 'fd00::5', port: 1234 }],
  ['[fe80::5%eth0]:1234', { host: 'fe80::5%eth0', port: 1234 }],
  [`${key}@10.0.0.5:1234`, { host: '10.0.0.5', port: 1234, key }]
]
for (const [text, peer] of peers) test(`parsePeer reads ${text}`, (t) => t.alike(parsePeer(text), peer))

for (const text of ['', 'none', 'nas.lan', 'nas.lan:0', 'a:1,b:2', 'fd00::5:1234', 'key@']) {
  test(`parsePeer refuses ${JSON.stringify(text)}`, async (t) => {
    await t.exception.all(() => parsePeer(text), /Give|host:port/)
  })
}

const refused: ReadonlyArray<[args: readonly string[], status: number, says: RegExp]> = [
  [['--no-tcp', '--peer', '127.0.0.1:9'], 2, /--no-tcp.*--peer/],
  [['--no-tcp', '--port', '4000'], 2, /--no-tcp.*--port/],
  [['--peer', 'short@127.0.0.1:9'], 12, /Not a key: "short"/],
  [['--allow', 'short'], 12, /Not a key: "short"/],
  [['--listen', '203.0.113.9'], 1, /Can't listen on 203\.0\.113\.9/]
]
for (const [args, status, says] of refused) {
  test(`share ${args.join(' ')} ends at once with an error`, async (t: Assert) => {
    const command = start(t, ['share', await t.tmp(), ...args], { bootstrap: 'none' })
    t.is(await command.exit(), status, command.stderr)
    t.ok(says.test(command.stderr), command.stderr)
  })
}
