import { type Command, InvalidArgumentError } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { given } from '../options/options.ts'
import { print } from '../output/print.ts'
import { addWhereOptions, parseWhere, pathWithin, type WhereOptions, whereHelp, withLog } from '../run/where.ts'

interface Options extends WhereOptions {
  readonly bytes?: ByteRange
}

interface ByteRange {
  readonly start?: number
  readonly end?: number
}

export function addCatCommand(program: Command, onStatus: (status: number) => void): void {
  const command = addWhereOptions(
    program
      .command('cat')
      .summary("print one file's bytes, of any version")
      .description(
        'Prints the bytes of one file, now or at an earlier version, as they come; of a part of it only what that takes ' +
          'is fetched.'
      )
      .argument('<where>', 'a folder or a key, and perhaps @version')
      .argument('<path>', 'a file in it')
      .option('--bytes <range>', 'only these: 0-99, 500- or the last -500', parseByteRange),
    'print errors as JSON objects'
  ).action(async (where: string, path: string, options: Options) => {
    const { place, version } = parseWhere(where)
    onStatus(
      await withLog(place, options, async (log, signal) => {
        const params = { path: pathWithin(log, path).path ?? path, ...given({ version }), ...options.bytes }
        // Its memory is used again for the next piece.
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

/** `0-99`, `500-`, `-500`, as HTTP has them: both ends belong to it. */
export function parseByteRange(text: string): ByteRange {
  const [, start = '', end = ''] = /^(\d*)-(\d*)$/.exec(text.trim()) ?? []
  if (start === '' && end !== '' && Number(end) > 0) return { start: -Number(end) }
  if (start !== '' && (end === '' || Number(end) >= Number(start))) {
    return { start: Number(start), ...(end === '' ? {} : { end: Number(end) + 1 }) }
  }
  throw new InvalidArgumentError('Give the first and last byte, such as 0-99, 500- or -500 for the last 500.')
}
