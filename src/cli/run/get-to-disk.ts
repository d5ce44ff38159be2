import type { GetParams, GetRecord, Readable } from '../../query/get.ts'
import { type Lines, printRecords } from '../output/records.ts'
import { showBytes, showMany, showName } from '../output/text.ts'
import { pathWithin, type WhereOptions, withLog } from './where.ts'

/** Writes a path of a log to this machine. @returns the exit status */
export async function getToDisk(place: string, params: GetParams, options: WhereOptions): Promise<number> {
  const { get } = await import('../../query/get.ts')
  return withLog(place, options, (log, signal) => {
    const readable: Readable = {
      list: (params) => log.ask('list', params, signal),
      content: (params, signal) => log.content(params, signal)
    }
    return printRecords(get(readable, { ...params, ...pathWithin(log, params.path) }, signal), options.json, linesOf)
  })
}

function linesOf(record: GetRecord): Lines {
  if (record.type !== 'got') return {}
  const { to, files, bytes, version } = record
  return { err: `Wrote ${showName(to)}: ${showMany(files, 'file')}, ${showBytes(bytes)} of version ${version}\n` }
}
