import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { type Bytes, preserveAs, rescue } from '../../../src/disk/write/preserve.ts'

const naming = { host: 'here', now: () => new Date(0) }
const copyName = (name: string, suffix = '') => `${name}.conflict-19700101-000000-here${suffix}`

test('preserveAs numbers conflict copies and replaces none', async (t) => {
  const root = await t.tmp()
  for (const content of ['1', '2']) {
    writeFileSync(join(root, 'edit'), content)
    preserveAs(join(root, 'edit'), root, 'name', naming)
  }
  t.alike(readdirSync(root).sort(), [copyName('name'), copyName('name', '-2')])
  t.is(readFileSync(join(root, copyName('name')), 'utf8'), '1')
})

test('rescue deletes content of the log and keeps the rest under conflict names', async (t) => {
  const root = await t.tmp()
  const staging = await t.tmp()
  const at = (name: string) => join(staging, `aside-0a-1-${name}`)
  writeFileSync(at('known'), 'log')
  writeFileSync(at('edited'), 'user')
  symlinkSync('known-target', at('link'))
  mkdirSync(at('empty'))
  mkdirSync(at('full'))
  writeFileSync(join(at('full'), 'file'), '')
  const asked: Bytes[] = []
  const isKnown = (bytes: Bytes) => {
    asked.push(bytes)
    return bytes.type === 'symlink' || bytes.size === 3
  }
  const kept = await rescue(root, ['known', 'edited', 'link', 'empty', 'full'].map(at), isKnown, naming)
  t.alike(
    kept.map((names) => names.map(String)),
    ['edited', 'full'].map((name) => [name, copyName(name)])
  )
  t.alike(readdirSync(root).sort(), [copyName('edited'), copyName('full')])
  t.alike(readdirSync(staging), [])
  t.alike(asked.at(-1), { type: 'symlink', target: 'known-target' })
})
