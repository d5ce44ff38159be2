import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type Assert, test } from 'brittle'
import { type Depth, scanFolder } from '../../../src/disk/read/scan.ts'
import { FolderWatch } from '../../../src/disk/watch/watch.ts'
import { watchPortably } from '../../../src/disk/watch/watch-portably.ts'
import { parseIgnoreRules } from '../../../src/tree/ignore.ts'
import type { TreePath } from '../../../src/tree/path.ts'
import { inotifyWatchCount, tellsDescriptors } from '../../support/descriptors.ts'
import { pathOf } from '../../support/entries.ts'
import { until } from '../../support/until.ts'

/** A folder that is watched as it is scanned, and what was told of it. */
class Watched {
  readonly root: string
  readonly dirty = new Map<string, Depth>()
  readonly failures: string[] = []
  lost = 0
  readonly watch: FolderWatch
  readonly #rules: string
  #scanning: Promise<unknown> = Promise.resolve()

  readonly #portably: boolean

  constructor(root: string, { rules, portably }: { readonly rules: string; readonly portably: boolean }) {
    this.root = root
    this.#rules = rules
    this.#portably = portably
    const options = {
      onDirty: (path: TreePath, depth: Depth) => {
        this.dirty.set(path, depth)
        if (depth === 'deep') this.scan(new Map([[path, depth]]))
      },
      onLost: () => {
        this.lost++
      },
      onFailure: (message: string) => this.failures.push(message)
    }
    this.watch = portably ? new FolderWatch(options, watchPortably) : new FolderWatch(options)
  }

  /** Looks at the folder, or a part of it, after what is being looked at. */
  scan(dirty?: ReadonlyMap<TreePath, Depth>): Promise<unknown> {
    const options = {
      rules: parseIgnoreRules(this.#rules),
      // Elsewhere there are no names of descriptors.
      onDirectory: (path: TreePath | '', at: string, identity: string) =>
        this.watch.add(path, this.#portably ? this.at(path) : at, identity),
      ...(dirty === undefined ? {} : { dirty })
    }
    this.#scanning = this.#scanning.then(() => scanFolder(this.root, options))
    this.#scanning.catch(() => {})
    return this.#scanning
  }

  static async open(
    t: Assert,
    {
      make = () => {},
      rules = '',
      portably = false
    }: { make?: (root: string) => void; rules?: string; portably?: boolean } = {}
  ) {
    const root = await t.tmp()
    mkdirSync(join(root, '.p2psync'))
    make(root)
    const watched = new Watched(root, { rules, portably })
    t.teardown(() => watched.watch.close())
    await watched.scan()
    return watched
  }

  at(path: string): string {
    return join(this.root, path)
  }

  /** Does `act`, and waits until all of `paths`, or a directory above them as a whole, are told to be dirty. */
  async expect(what: string, act: () => void, ...paths: readonly string[]): Promise<void> {
    this.dirty.clear()
    act()
    await until(() => paths.every((path) => this.#covers(path)), { what: `${what}: ${paths.join(', ')}` })
  }

  #covers(path: string): boolean {
    if (this.dirty.has(path)) return true
    return [...this.dirty].some(([above, depth]) => depth === 'deep' && path.startsWith(`${above}/`))
  }
}

for (const portably of [false, true]) {
  test(`every change of a file is told${portably ? ', as on other systems' : ''}`, (t) => tellsEveryChange(t, portably))
}

async function tellsEveryChange(t: Assert, portably: boolean): Promise<void> {
  const w = await Watched.open(t, { portably, make: (root) => mkdirSync(join(root, 'a/b'), { recursive: true }) })
  if (portably) await until(() => w.lost > 0 && w.dirty.has('a') && w.dirty.has('a/b'), { what: 'the watches' })
  for (const path of ['top', 'a/middle', 'a/b/low', 'a/ünicode\n😀']) {
    await w.expect('a new file', () => writeFileSync(w.at(path), 'x'), path)
    await w.expect('a change', () => appendFileSync(w.at(path), 'x'), path)
    await w.expect('a rename', () => renameSync(w.at(path), `${w.at(path)}2`), path, `${path}2`)
    await w.expect('a file put in place', () => renameSync(`${w.at(path)}2`, w.at(path)), path, `${path}2`)
    await w.expect('a deletion', () => unlinkSync(w.at(path)), path)
    await w.expect('a link', () => symlinkSync('x', w.at(path)), path)
  }
  t.alike(w.failures, [])
}

test('a new tree is reported from its top and watched completely', async (t) => {
  const w = await Watched.open(t)
  const make = () => {
    mkdirSync(w.at('a/b/c'), { recursive: true })
    writeFileSync(w.at('a/b/c/file'), '')
  }
  await w.expect('a new tree', make, 'a/b/c/file')
  t.ok([...w.dirty].some(([path, depth]) => depth === 'deep' && 'a/b/c'.startsWith(path)))
  await until(() => touchTold(w, 'a/b/c/file'), { what: 'a change in the new tree' })
  t.pass()
})

test('a tree that is moved in is reported and watched', async (t) => {
  const w = await Watched.open(t)
  const outside = mkdtempSync(join(await t.tmp(), 'x'))
  mkdirSync(join(outside, 'b'))
  writeFileSync(join(outside, 'b/file'), '')
  await w.expect('a tree moved in', () => renameSync(outside, w.at('a')), 'a/b/file')
  await until(() => touchTold(w, 'a/b/file'), { what: 'a change in the moved tree' })
  await w.expect('a tree moved out', () => renameSync(w.at('a'), outside), 'a')
  t.pass()
})

/** Changes a file, and tells whether that was told of soon; a directory may not be watched at once. */
async function touchTold(w: Watched, path: string): Promise<boolean> {
  w.dirty.clear()
  appendFileSync(w.at(path), 'x')
  const told = until(() => w.dirty.has(path), { what: path, ms: 300 })
  return told.then(
    () => true,
    () => false
  )
}

test('ignored directories and the state directory are not watched', { skip: !tellsDescriptors }, async (t) => {
  const before = inotifyWatchCount()
  const w = await Watched.open(t, {
    rules: 'build/\n',
    make: (root) => {
      mkdirSync(join(root, '.p2psync/store/deep'), { recursive: true })
      mkdirSync(join(root, 'build/deep'), { recursive: true })
    }
  })
  t.is(inotifyWatchCount() - before, 1, 'the folder alone')
  const act = () => {
    writeFileSync(w.at('.p2psync/store/file'), '')
    writeFileSync(w.at('build/deep/file'), '')
    writeFileSync(w.at('last'), '')
  }
  await w.expect('the last file', act, 'last')
  t.alike([...w.dirty.keys()], ['last'])
})

test('links are not followed', { skip: !tellsDescriptors }, async (t) => {
  const outside = await t.tmp()
  mkdirSync(join(outside, 'deep'))
  const before = inotifyWatchCount()
  await Watched.open(t, { make: (root) => symlinkSync(outside, join(root, 'link')) })
  t.is(inotifyWatchCount() - before, 1)
})

test('there is a watch for each directory, not for each file', { skip: !tellsDescriptors }, async (t) => {
  const before = inotifyWatchCount()
  const directories = 60
  const w = await Watched.open(t, {
    make: (root) => {
      for (let i = 0; i < directories; i++) {
        mkdirSync(join(root, `d${i}`))
        for (let j = 0; j < 50; j++) writeFileSync(join(root, `d${i}/${j}`), '')
      }
    }
  })
  const count = inotifyWatchCount() - before
  t.ok(count >= directories && count <= directories + 2, `${count} watches`)
  w.watch.close()
  await until(() => inotifyWatchCount() === before, { what: 'the end of all watches' })
})

test('a directory that takes the place of another is watched in its stead', { skip: !tellsDescriptors }, async (t) => {
  const w = await Watched.open(t, { make: (root) => mkdirSync(join(root, 'a')) })
  const before = inotifyWatchCount()
  for (let round = 0; round < 3; round++) {
    rmSync(w.at('a'), { recursive: true })
    mkdirSync(w.at('a'))
    await until(() => touchTold(w, 'a/file'), { what: 'a change in the new directory' })
  }
  await until(() => inotifyWatchCount() === before, { what: 'as many watches as before' })
})

test('a removed directory is not watched any more, also after it moved elsewhere', {
  skip: !tellsDescriptors
}, async (t) => {
  const w = await Watched.open(t, { make: (root) => mkdirSync(join(root, 'a')) })
  const before = inotifyWatchCount()
  const outside = join(await t.tmp(), 'a')
  await w.expect('a directory moved out', () => renameSync(w.at('a'), outside), 'a')
  w.watch.forget(pathOf('a'))
  await until(() => inotifyWatchCount() === before - 1, { what: 'the end of its watch' })
})
