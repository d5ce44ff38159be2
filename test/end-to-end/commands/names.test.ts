import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Assert } from 'brittle'
import { showJson, showName } from '../../../src/cli/output/text.ts'
import { packageRoot, start, startClone, startShare } from '../../support/cli.ts'
import { waitUntilEqual } from '../../support/snapshot.ts'
import { startTestnet } from '../../support/testnet.ts'
import { test } from '../../support/together.ts'
import { until } from '../../support/until.ts'

/** Names that color or clear a terminal, set its title, move its cursor, or look like other names. */
const names: readonly string[] = [
  'line\nfeed',
  'carriage\rreturn',
  'red\u001b[31mred',
  'clear\u001b[2J\u001b[H',
  'title\u001b]0;pwned\u0007',
  'c1\u009b31mcontrol',
  'delete\u007f',
  'bell\u0007',
  'back\b\b\b',
  'tab\there',
  'txt.\u202Egpj.exe',
  'zero\u200bwidth',
  'joined\u200dname',
  'byte\ufefforder',
  'line\u2028separator',
  'tagged\u{e0041}',
  '-rf',
  '$(reboot)'
]

// biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for control characters
const live = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0041}]/u

const shown: ReadonlyArray<[name: string, text: string]> = [
  ['plain name, größe 😀 ❤️', 'plain name, größe 😀 ❤️'],
  ['a\nb\tc', 'a\\nb\\tc'],
  ['\u001b[31m', '\\x1b[31m'],
  ['\u0085\u009b', '\\x85\\x9b'],
  ['txt.\u202Egpj', 'txt.\\u{202e}gpj'],
  ['a\u200bb\ufeffc\u2066', 'a\\u{200b}b\\u{feff}c\\u{2066}'],
  ['\ud800', '\\u{d800}'],
  ['\u{e0041}', '\\u{e0041}']
]
for (const [name, text] of shown) {
  test(`showName shows ${JSON.stringify(text)}`, (t) => t.is(showName(name), text))
}

test('showJson prints JSON without characters that control a terminal', (t) => {
  const text = showJson({ names })
  t.absent(live.test(text))
  t.alike(JSON.parse(text), { names })
})

test('names with control characters sync unchanged, and show escaped', async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [source, mirror] = [await t.tmp(), join(await t.tmp(), 'mirror')]
  for (const name of names) writeFileSync(join(source, name), name)
  mkdirSync(join(source, 'directory\u001b[1m'))
  writeFileSync(join(source, 'directory\u001b[1m/\u0007'), 'beep')
  const writer = await startShare(t, source, { bootstrap })
  await writer.event('up-to-date')
  const reader = startClone(t, writer.key, mirror, { bootstrap })
  await waitUntilEqual(t, source, mirror)
  await reader.kill('SIGTERM')

  // Each name gets a problem, a conflict, or a local difference.
  for (const [i, name] of names.entries()) {
    rmSync(join(mirror, name))
    if (i % 3 === 0) execFileSync('mkfifo', ['--', join(mirror, name)])
    if (i % 3 === 1) writeFileSync(join(mirror, name), 'mine')
    if (i % 3 !== 2) writeFileSync(join(source, name), 'changed')
  }
  await until(() => writer.events.filter(({ type }) => type === 'published').length > 1, { what: 'a version' })
  const plain = start(t, ['clone', writer.key, mirror, '--once'], { bootstrap })
  t.is(await plain.exit(), 3)
  t.absent(live.test(plain.stderr), 'no control characters on stderr')
  t.ok(plain.stderr.includes('red\\x1b[31mred') && plain.stderr.includes('txt.\\u{202e}gpj.exe'))
  const json = start(t, ['clone', writer.key, mirror, '--once', '--json'], { bootstrap })
  t.is(await json.exit(), 3)
  t.absent(live.test(json.stdout), 'nor in --json')
  const paths = json.events.flatMap((event) => (event.type === 'problem' ? [event.path] : []))
  t.ok(
    paths.includes('line\nfeed') && paths.includes('clear\u001b[2J\u001b[H'),
    'where a program reads the names as they are'
  )
})

test('error messages show names escaped', async (t) => {
  const bad = 'no\u001b[31m\u202e\u009bwhere'
  const cwd = await t.tmp()
  const lines: readonly (readonly string[])[] = [
    ['share', bad],
    ['share', bad, '--json'],
    ['clone', bad, 'mirror'],
    ['clone', `${'y'.repeat(51)}\u001b`, 'mirror', '--json'],
    [bad],
    ['share', '.', `--${bad}`],
    ['share', '.', '--bootstrap', bad]
  ]
  const ends = lines.map(async (args) => {
    const command = start(t, args, { cwd })
    t.not(await command.exit(), 0)
    t.absent(live.test(command.stderr + command.stdout), JSON.stringify(args))
  })
  await Promise.all(ends)
})

const hasTmux = () => {
  try {
    execFileSync('tmux', ['-V'])
    return true
  } catch {
    return false
  }
}

test('names do not change the state of a terminal', { skip: !hasTmux() }, async (t: Assert) => {
  const { text: bootstrap } = await startTestnet(t)
  const source = await t.tmp()
  for (const name of names) execFileSync('mkfifo', ['--', join(source, name)])
  const socket = join(mkdtempSync(join(tmpdir(), 'p2psync-tmux-')), 'socket')
  const tmux = (...args: string[]) =>
    execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], { encoding: 'utf8' })
  t.teardown(() => tmux('kill-server'))
  const program = join(packageRoot, 'dist/bin/p2psync.js')
  const command = [process.execPath, program, 'share', source, '--bootstrap', bootstrap]
  tmux('new-session', '-d', '-x', '120', '-y', '50', ...command)
  const screen = () => tmux('capture-pane', '-p', '-e')
  await until(() => screen().includes('Published'), { what: 'the status line' })
  for (const text of ['red\\x1b[31mred', 'clear\\x1b[2J\\x1b[H', 'line\\nfeed', 'txt.\\u{202e}gpj.exe', 'c1\\x9b31m']) {
    t.ok(screen().includes(text), text)
  }
  t.absent(tmux('display-message', '-p', '#{pane_title}').includes('pwned'), 'the title is as it was')
})
