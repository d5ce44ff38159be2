/**
 * A file system in memory that treats names differing only in normal form as one, like those of Macs; none
 * that Linux can mount does so. Run as a process of its own: `node fuse-server.js MOUNTPOINT OPTIONS`, where the
 * options are JSON. It implements the needed part of the kernel's protocol itself.
 */
import { spawnSync } from 'node:child_process'
import { openSync, read, writeSync } from 'node:fs'

export interface FuseOptions {
  /** Names are listed in NFD, as HFS+ does; if false, as given, as APFS does. */
  readonly decomposes: boolean
  readonly foldsCase: boolean
  /** Refuses every mode but 0644 and 0755, as FAT does. */
  readonly refusesModes: boolean
}

interface Inode {
  readonly id: bigint
  readonly type: number
  mode: number
  mtimeNs: bigint
  ctimeNs: bigint
  data: Buffer
  readonly children: Map<string, { readonly name: string; readonly inode: Inode }>
}

const types = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const
const codes = { ENOENT: 2, EPERM: 1, EEXIST: 17, ENOTDIR: 20, EINVAL: 22, ENOSYS: 38, ENOTEMPTY: 39 } as const
const second = 1_000_000_000n

class Failed extends Error {
  readonly code: number
  constructor(code: keyof typeof codes) {
    super(code)
    this.code = codes[code]
  }
}

class FileSystem {
  readonly #options: FuseOptions
  readonly #inodes = new Map<bigint, Inode>()
  #count = 0n

  constructor(options: FuseOptions) {
    this.#options = options
    this.#make(types.directory, 0o755)
  }

  #make(type: number, mode: number): Inode {
    const nowNs = BigInt(Date.now()) * 1_000_000n
    const inode = { id: ++this.#count, type, mode, mtimeNs: nowNs, ctimeNs: nowNs, data: Buffer.alloc(0) }
    const made = { ...inode, children: new Map() }
    this.#inodes.set(made.id, made)
    return made
  }

  #inode(id: bigint): Inode {
    const inode = this.#inodes.get(id)
    if (inode === undefined) throw new Failed('ENOENT')
    return inode
  }

  #key(name: string): string {
    const form = name.normalize('NFD')
    return this.#options.foldsCase ? form.toLowerCase().normalize('NFD') : form
  }

  #child(parent: Inode, name: string): Inode {
    const found = parent.children.get(this.#key(name))
    if (found === undefined) throw new Failed('ENOENT')
    return found.inode
  }

  #add(parent: Inode, name: string, inode: Inode): void {
    parent.children.set(this.#key(name), { name: this.#options.decomposes ? name.normalize('NFD') : name, inode })
    touch(parent)
    inode.ctimeNs = parent.ctimeNs
  }

  #create(parentId: bigint, name: string, type: number, mode: number): Inode {
    const parent = this.#inode(parentId)
    if (parent.children.has(this.#key(name))) throw new Failed('EEXIST')
    const inode = this.#make(type, this.#options.refusesModes ? 0o755 : mode & 0o777)
    this.#add(parent, name, inode)
    return inode
  }

  #remove(parentId: bigint, name: string): void {
    const parent = this.#inode(parentId)
    if (this.#child(parent, name).children.size > 0) throw new Failed('ENOTEMPTY')
    parent.children.delete(this.#key(name))
    touch(parent)
  }

  #rename(fromId: bigint, from: string, toId: bigint, to: string): void {
    const source = this.#inode(fromId)
    const inode = this.#child(source, from)
    const existing = this.#inode(toId).children.get(this.#key(to))?.inode
    if (existing === inode) return // As Linux does itself: a rename between two names of one file does nothing.
    if (existing !== undefined && existing.children.size > 0) throw new Failed('ENOTEMPTY')
    source.children.delete(this.#key(from))
    touch(source)
    this.#add(this.#inode(toId), to, inode)
  }

  #setAttributes(inode: Inode, body: Buffer): void {
    const valid = body.readUInt32LE(0)
    const nowNs = BigInt(Date.now()) * 1_000_000n
    if (valid & 1) {
      const mode = body.readUInt32LE(68) & 0o777
      if (this.#options.refusesModes && mode !== 0o755) throw new Failed('EPERM')
      inode.mode = mode
    }
    if (valid & 8) {
      const size = Number(body.readBigUInt64LE(16))
      const data = Buffer.alloc(size)
      inode.data.copy(data)
      inode.data = data
      inode.mtimeNs = nowNs
    }
    if (valid & 256) inode.mtimeNs = nowNs
    else if (valid & 32) inode.mtimeNs = body.readBigInt64LE(40) * second + BigInt(body.readUInt32LE(60))
    inode.ctimeNs = nowNs
  }

  #write(inode: Inode, body: Buffer): Buffer {
    const offset = Number(body.readBigUInt64LE(8))
    const bytes = body.subarray(40, 40 + body.readUInt32LE(16))
    if (offset + bytes.length > inode.data.length) {
      const data = Buffer.alloc(offset + bytes.length)
      inode.data.copy(data)
      inode.data = data
    }
    bytes.copy(inode.data, offset)
    touch(inode)
    return numbers([bytes.length, 4], [0, 4])
  }

  #list(inode: Inode, body: Buffer): Buffer {
    const parts: Buffer[] = []
    let room = body.readUInt32LE(16)
    for (const [i, { name, inode: child }] of [...inode.children.values()].entries()) {
      if (i < Number(body.readBigUInt64LE(8))) continue
      const bytes = Buffer.from(name)
      const head = numbers([child.id, 8], [i + 1, 8], [bytes.length, 4], [child.type >> 12, 4])
      const entry = Buffer.concat([head, bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
      room -= entry.length
      if (room < 0) break
      parts.push(entry)
    }
    return Buffer.concat(parts)
  }

  /** The answer to a request; `undefined` if none is expected. */
  answer(opcode: number, id: bigint, body: Buffer): Buffer | undefined {
    const names = (from: number) => body.toString('utf8', from).split('\0') as [string, string]
    const made = (from: number, type: number, mode: number) => this.#create(id, names(from)[0], type, mode)
    switch (opcode) {
      case 1: // LOOKUP
        return entryOf(this.#child(this.#inode(id), names(0)[0]))
      case 2: // FORGET
      case 36: // INTERRUPT
      case 42: // BATCH_FORGET
        return undefined
      case 3: // GETATTR
        return attributesOf(this.#inode(id))
      case 4: // SETATTR
        this.#setAttributes(this.#inode(id), body)
        return attributesOf(this.#inode(id))
      case 5: // READLINK
        return this.#inode(id).data
      case 6: {
        const link = made(0, types.link, 0o777) // SYMLINK
        link.data = Buffer.from(names(0)[1])
        return entryOf(link)
      }
      case 8: // MKNOD
        return entryOf(made(16, types.file, body.readUInt32LE(0)))
      case 9: // MKDIR
        return entryOf(made(8, types.directory, body.readUInt32LE(0)))
      case 35: // CREATE
        return Buffer.concat([entryOf(made(16, types.file, body.readUInt32LE(4))), Buffer.alloc(16)])
      case 10: // UNLINK
      case 11: // RMDIR
        this.#remove(id, names(0)[0])
        return Buffer.alloc(0)
      case 12: // RENAME
        this.#rename(id, names(8)[0], body.readBigUInt64LE(0), names(8)[1])
        return Buffer.alloc(0)
      case 15: {
        const offset = Number(body.readBigUInt64LE(8)) // READ
        return this.#inode(id).data.subarray(offset, offset + body.readUInt32LE(16))
      }
      case 16: // WRITE
        return this.#write(this.#inode(id), body)
      case 14: // OPEN
      case 27: // OPENDIR
        return Buffer.alloc(16)
      case 28: // READDIR
        return this.#list(this.#inode(id), body)
      case 17: // STATFS
        return numbers(
          [1e6, 8],
          [1e6, 8],
          [1e6, 8],
          [1e6, 8],
          [1e6, 8],
          [4096, 4],
          [255, 4],
          [4096, 4],
          [0, 4],
          [0, 24]
        )
      case 26: // INIT: version 7.31, and 128 KiB at most in one write
        return numbers([7, 4], [31, 4], [131072, 4], [0, 4], [0, 4], [131072, 4], [1, 4], [0, 36])
      case 18: // RELEASE
      case 20: // FSYNC
      case 25: // FLUSH
      case 29: // RELEASEDIR
      case 30: // FSYNCDIR
      case 34: // ACCESS
      case 38: // DESTROY
        return Buffer.alloc(0)
      default:
        throw new Failed('ENOSYS')
    }
  }
}

function touch(inode: Inode): void {
  inode.mtimeNs = BigInt(Date.now()) * 1_000_000n
  inode.ctimeNs = inode.mtimeNs
}

/** Little-endian numbers with their widths in bytes; other widths than 4 and 8 are zeros. */
function numbers(...values: readonly (readonly [value: number | bigint, bytes: number])[]): Buffer {
  return Buffer.concat(
    values.map(([value, bytes]) => {
      const buffer = Buffer.alloc(bytes)
      if (bytes === 4) buffer.writeUInt32LE(Number(value))
      else if (bytes === 8) buffer.writeBigInt64LE(BigInt(value))
      return buffer
    })
  )
}

function attributes({ id, type, mode, mtimeNs, ctimeNs, data }: Inode): Buffer {
  const nanoseconds = (timeNs: bigint) => ((timeNs % second) + second) % second
  const seconds = (timeNs: bigint) => (timeNs - nanoseconds(timeNs)) / second
  const size = data.length
  return numbers(
    ...([
      [id, 8],
      [size, 8],
      [Math.ceil(size / 512), 8]
    ] as const),
    ...([mtimeNs, mtimeNs, ctimeNs].map((timeNs) => [seconds(timeNs), 8]) as [bigint, number][]),
    ...([mtimeNs, mtimeNs, ctimeNs].map((timeNs) => [nanoseconds(timeNs), 4]) as [bigint, number][]),
    ...([
      [type | mode, 4],
      [1, 4],
      [0, 4],
      [0, 4],
      [0, 4],
      [4096, 4],
      [0, 4]
    ] as const)
  )
}

/** The kernel may cache the attributes for a second. */
function attributesOf(inode: Inode): Buffer {
  return Buffer.concat([numbers([1, 8], [0, 8]), attributes(inode)])
}

function entryOf(inode: Inode): Buffer {
  return Buffer.concat([numbers([inode.id, 8], [0, 8], [1, 8], [1, 8], [0, 8]), attributes(inode)])
}

function serve(mountpoint: string, options: FuseOptions): void {
  const device = openSync('/dev/fuse', 'r+')
  const mountOptions = 'fd=3,rootmode=40000,user_id=0,group_id=0,allow_other'
  const { status, stderr } = spawnSync('mount', ['-i', '-t', 'fuse', '-o', mountOptions, 'memory', mountpoint], {
    stdio: ['ignore', 'ignore', 'pipe', device],
    encoding: 'utf8'
  })
  if (status !== 0) throw new Error(stderr)
  const fileSystem = new FileSystem(options)
  const buffer = Buffer.alloc(256 * 1024)
  const next = () =>
    read(device, buffer, 0, buffer.length, null, (error, bytes) => {
      if (error?.code === 'ENODEV') return process.exit(0) // It was unmounted.
      if (error === null) respond(device, fileSystem, buffer.subarray(0, bytes))
      return next()
    })
  next()
  process.stdout.write('mounted\n')
}

function respond(device: number, fileSystem: FileSystem, request: Buffer): void {
  const unique = request.readBigUInt64LE(8)
  let answer: Buffer | undefined
  let failure = 0
  try {
    answer = fileSystem.answer(request.readUInt32LE(4), request.readBigUInt64LE(16), request.subarray(40))
    if (answer === undefined) return
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    failure = error.code
  }
  const head = Buffer.alloc(16)
  head.writeUInt32LE(16 + (answer?.length ?? 0), 0)
  head.writeInt32LE(-failure, 4)
  head.writeBigUInt64LE(unique, 8)
  try {
    writeSync(device, Buffer.concat([head, answer ?? Buffer.alloc(0)]))
  } catch {
    // The requester no longer waits for the answer.
  }
}

const [, , mountpoint, options] = process.argv
if (mountpoint !== undefined && options !== undefined) serve(mountpoint, JSON.parse(options) as FuseOptions)
