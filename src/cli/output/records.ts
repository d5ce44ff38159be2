import { exitStatus } from './exit-status.ts'
import { print, printJson } from './print.ts'
import { showName } from './text.ts'

/** A record that tells what went wrong with one path; the operation goes on. */
interface ProblemRecord {
  readonly type: 'problem'
  readonly path: string
  readonly message: string
}

/** Lines for stdout, or for people on stderr. */
export interface Lines {
  readonly out?: string | undefined
  readonly err?: string | undefined
}

/**
 * Prints the records of an operation: as JSON, or as lines. Problems go to stderr.
 *
 * @param linesOf the text of a record that is no problem, line ends included
 * @returns the exit status: `partial` when there was a problem
 */
export async function printRecords<R extends { readonly type: string }>(
  records: AsyncIterable<R>,
  json: boolean | undefined,
  linesOf: (record: R) => Lines
): Promise<number> {
  let status: number = exitStatus.ok
  for await (const record of records) {
    if (isProblem(record)) status = exitStatus.partial
    if (json) await printJson(record)
    else if (isProblem(record)) process.stderr.write(problemLine(record))
    else {
      const { out, err } = linesOf(record)
      if (err !== undefined) process.stderr.write(err)
      if (out !== undefined) await print(out)
    }
  }
  return status
}

function isProblem(record: { readonly type: string }): record is ProblemRecord {
  return record.type === 'problem'
}

function problemLine({ path, message }: ProblemRecord): string {
  return `Problem: ${showName(path)}: ${showName(message)}\n`
}
