import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { parseMarkdown } from '../../../src/cli/manual/markdown.ts'
import { type Command, packageRoot, start } from '../../support/cli.ts'
import { startTestnet } from '../../support/testnet.ts'
import { until } from '../../support/until.ts'

/** The calls of p2psync in the README's sessions, and what they print there. */
const session = new Map(
  parseMarkdown(readFileSync(join(packageRoot, 'README.md'), 'utf8')).flatMap((block) => {
    const calls =
      block.type === 'code'
        ? block.lines
            .join('\n')
            .split(/^\$ p2psync /m)
            .slice(1)
        : []
    return calls.map((call) => {
      const [args = '', ...lines] = call.trimEnd().split('\n')
      return [args.split(' ')[0] ?? '', { args, lines }] as const
    })
  })
)

const keyPattern = /\b[ybndrfg8ejkmcpqxot1uwisza345h769]{52}\b/g

/** A line without what differs from run to run: keys, directories, peers, numbers. */
function shapeOf(line: string): string {
  return line
    .replaceAll(keyPattern, '<key>')
    .replaceAll(/ \/\S+\/photos/g, ' <photos>')
    .replaceAll(/\S+:\d+ \(.*; /g, '<address> (')
    .replaceAll(/\d+(?:\.\d+)?/g, '#')
}

function linesOf({ stdout, stderr }: Command): string[] {
  return `${stdout}${stderr}`.split('\n').map(shapeOf)
}

/** The lines of the README that a command has not printed. */
function missing(name: string, command: Command): string[] {
  const printed = linesOf(command)
  return (session.get(name)?.lines ?? ['nothing is expected']).map(shapeOf).filter((line) => !printed.includes(line))
}

async function printsAll(t: Assert, name: string, command: Command): Promise<void> {
  const isDone = () => missing(name, command).length === 0 || !command.running
  const what = `the output of ${name} that README.md shows`
  await until(isDone, { what }).catch(() => {})
  t.alike(missing(name, command), [], what)
}

test('the commands of the README print what it shows', { timeout: 600_000 }, async (t) => {
  const { text: bootstrap } = await startTestnet(t)
  const [ada, bob] = [await t.tmp(), await t.tmp()]
  mkdirSync(join(ada, 'photos'))
  writeFileSync(join(ada, 'photos/harbour.jpg'), randomBytes(2_500_000))
  const share = start(t, ['share', './photos'], { bootstrap, cwd: ada })
  await until(() => /^Published/m.test(share.stderr), { what: 'the first version' })
  const [key = ''] = share.stdout.match(keyPattern) ?? []

  const clone = start(t, ['clone', key, './photos'], { bootstrap, cwd: bob })
  await until(() => /^In sync/m.test(clone.stderr), { what: 'the first version there' })
  writeFileSync(join(ada, 'photos/notes.txt'), 'first\n')
  await until(() => clone.stderr.match(/^In sync/gm)?.length === 2, { what: 'the second version there' })
  await printsAll(t, 'share', share)
  await printsAll(t, 'clone', clone)
  writeFileSync(join(ada, 'photos/notes.txt'), 'ferry 7\n')
  await until(() => clone.stderr.match(/^In sync/gm)?.length === 3, { what: 'the third version there' })

  for (const name of ['status', 'log', 'cat']) {
    const { args = '' } = session.get(name) ?? {}
    const command = start(t, args.split(' '), { bootstrap, cwd: bob })
    t.is(await command.exit(), 0, args)
    t.alike(missing(name, command), [], args)
  }
  await share.kill('SIGTERM')
  await clone.kill('SIGTERM')
})
