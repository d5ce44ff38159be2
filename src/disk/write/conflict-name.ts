import { markedName } from '../../tree/marked-name.ts'

/**
 * The name of the copy of a local edit when the log's version takes its path:
 * `name.conflict-<time>-<host>.ext`, with a number from the second attempt on.
 *
 * @param time the time of the conflict; the name has it in UTC, to the second
 */
export function conflictName(name: string, time: Date, host: string, attempt: number): string {
  const stamp = time.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')
  const safeHost = host.replaceAll(/[^A-Za-z0-9-]/g, '').slice(0, 32) || 'here'
  return markedName(name, `.conflict-${stamp}-${safeHost}${attempt > 1 ? `-${attempt}` : ''}`)
}
