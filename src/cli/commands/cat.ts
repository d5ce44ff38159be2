import type { Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { parseByteRange, type RequestedBytes } from '../options/parse.ts'
import { print } from '../output/print.ts'
import { addWhereOptions, parseWhere, pathWithin, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly bytes?: RequestedBytes
}

export function defineCat(command: Command, onStatus: (status: number) => void): void {
  command
    .description(
      'Prints the bytes of a file, at the latest or an earlier version, as they arrive. For a part of a file it fetches ' +
        'only the blocks of that part.'
    )
    .argument('<where>', 'a folder or a key, optionally with @version')
    .argument('<path>', 'a file in it')
    .option('--bytes <range>', 'print only a range: 0-99, 500-, or -500 for the last 500', parseByteRange)
  addWhereOptions(command, 'print errors as JSON').action(async (where: string, path: string, options: Options) => {
    const { place, version } = parseWhere(where)
    onStatus(
      await withLog(place, options, async (log, signal) => {
        const params = { path: pathWithin(log, path).path ?? path, ...given({ version }), ...options.bytes }
        // A copy: the next piece reuses the memory of this one.
        for await (const piece of log.content(params, signal)) await print(Buffer.from(piece))
        return undefined
      })
    )
  })
  addExamples(
    command,
    [
      'p2psync cat ./notes@2h todo.txt',
      'p2psync cat <key> films/summer.mp4 | mpv -',
      'p2psync cat <key> films/summer.mp4 --bytes 0-999999 > head.mp4'
    ],
    whereHelp
  )
}
