import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import ids from 'hypercore-id-encoding'
import { AllowList } from '../../src/peers/allow-list.ts'
import { bytesOf } from '../support/bytes.ts'
import { until } from '../support/until.ts'

const [a, b, c] = [1, 3, 5].map((seed) => {
  const key = bytesOf(32, seed)
  return { text: ids.encode(key), hex: key.toString('hex') }
}) as [Machine, Machine, Machine]

interface Machine {
  readonly text: string
  readonly hex: string
}

/** A list, of what is given and of what the file says; a directory in its place can't be read. */
async function openList(t: Assert, { given, file }: { given?: readonly string[]; file?: string | 'directory' } = {}) {
  const home = await t.tmp()
  const path = join(home, 'allow')
  const write = (text: string | undefined) => {
    rmSync(path, { recursive: true, force: true })
    if (text === 'directory') mkdirSync(path)
    else if (text !== undefined) writeFileSync(path, text)
  }
  write(file)
  const notices: string[] = []
  const changes: string[][] = []
  const onChange = (machines: ReadonlySet<string>) => changes.push([...machines])
  const list = new AllowList({ home, given, onChange, onNotice: (message) => notices.push(message) })
  t.teardown(() => list.close())
  const hears = async (...machines: readonly Machine[]) => {
    const wanted = JSON.stringify(machines.map(({ hex }) => hex))
    await until(() => JSON.stringify(changes.at(-1)) === wanted, { what: `${machines.length} machines` })
    t.is(JSON.stringify([...(list.machines ?? [])]), wanted)
  }
  return { list, write, notices, changes, hears }
}

/** Who may connect at the start. */
const starts: ReadonlyArray<
  [
    name: string,
    from: { given?: readonly string[]; file?: string },
    machines: readonly Machine[] | undefined,
    notices: number
  ]
> = [
  ['nothing is said', {}, undefined, 0],
  ['some are given', { given: [a.text, b.text] }, [a, b], 0],
  ['they are given in hexadecimal', { given: [a.hex] }, [a], 0],
  ['the file lists one', { file: `${a.text}\n` }, [a], 0],
  ['both do', { given: [a.text], file: `${b.text}\n${a.text}` }, [a, b], 0],
  ['the file has comments and empty lines', { file: `# mine\r\n\r\n  ${a.text}  # nas\r\n#${b.text}\n` }, [a], 0],
  ['the file is empty', { file: '' }, [], 0],
  ['the file is empty, and one is given', { given: [a.text], file: '\n' }, [a], 0],
  ['a line is none', { file: `${a.text}\nnonsense\n${b.text}x\n${a.text} ${b.text}\n` }, [a], 3],
  ['all lines are none', { file: 'x' }, [], 1],
  ['it is no text', { file: '\0\uFFFD\u2028' }, [], 1],
  ["it can't be read", { file: 'directory' }, [], 1],
  ["it can't be read, and one is given", { given: [a.text], file: 'directory' }, [a], 1]
]
for (const [name, from, machines, notices] of starts) {
  test(`who may connect is known where ${name}`, async (t) => {
    const opened = await openList(t, from)
    t.alike(opened.list.machines && [...opened.list.machines].sort(), machines?.map(({ hex }) => hex).sort())
    t.is(opened.notices.length, notices, opened.notices.join('\n'))
  })
}

test('a key that is given and is none is refused', async (t) => {
  await t.exception(() => openList(t, { given: ['nonsense'] }))
})

test('what is written in the file holds without a restart', async (t) => {
  const { write, hears, list } = await openList(t, { given: [a.text] })
  write(b.text)
  await hears(a, b)
  write(`${c.text}\n${b.text}\n`)
  await hears(a, c, b)
  write('')
  await hears(a)
  t.is(list.machines?.size, 1)
})

test('a first file closes a folder that was open to all who have the key', async (t) => {
  const { write, hears, list } = await openList(t)
  t.is(list.machines, undefined)
  write(a.text)
  await hears(a)
})

test('a first file without a line closes it to all', async (t) => {
  const { write, hears } = await openList(t)
  write('# nobody\n')
  await hears()
})

test("a first file that can't be read closes it to all", async (t) => {
  const { write, hears } = await openList(t)
  write('directory')
  await hears()
})

test("a file that goes away or can't be read leaves all as it was, and is told of once", async (t) => {
  const { write, hears, list, changes, notices } = await openList(t, { file: a.text })
  write('directory')
  await until(() => notices.length > 0, { what: 'a notice' })
  t.is(list.machines?.size, 1)
  write(undefined)
  const before = changes.length
  write(b.text)
  await hears(b)
  t.is(changes.length, before + 1)
  t.is(notices.length, 1)
})
