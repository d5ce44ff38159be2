import { SyncError } from '../errors.ts'
import type { Head } from '../format/head-codec.ts'
import type { LogView } from '../log/log-view.ts'
import type { Version } from '../tree/tree.ts'
import type { VersionName } from '../tree/version-name.ts'

/**
 * Finds the version that a name stands for. Times are those of the writer's clock: where that went back, several versions
 * may fit a time, and the search finds one of them.
 *
 * @param latest the latest finished version
 * @throws {SyncError} NO_SUCH_VERSION
 */
export async function findNamedVersion(
  view: LogView,
  head: (version: Version) => Promise<Head>,
  latest: Version,
  name: VersionName,
  signal?: AbortSignal
): Promise<Version> {
  if (name.by === 'number') return byNumber(view, latest, name.number, signal)
  if (name.by === 'back') return back(view, latest, name.count, signal)
  return byTime(view, head, latest, name.timeMs, signal)
}

async function byNumber(view: LogView, latest: Version, number: number, signal?: AbortSignal): Promise<Version> {
  if (number === latest.length) return latest
  const missing = (nearest: string) => new SyncError('NO_SUCH_VERSION', `There is no version ${number}. ${nearest}`)
  if (number > latest.length) throw missing(`The latest is ${latest.length}`)
  const at = await view.versionAtOrAfter(number, latest, signal)
  if (at?.length === number) return at
  const before = at && (await view.previous(at, signal))
  throw missing(`Near it are ${[before, at].flatMap((it) => it?.length ?? []).join(' and ')}`)
}

async function back(view: LogView, latest: Version, count: number, signal?: AbortSignal): Promise<Version> {
  let version = latest
  for (let left = count; left > 0; left--) {
    const before = await view.previous(version, signal)
    if (before === undefined) {
      throw new SyncError(
        'NO_SUCH_VERSION',
        `There are only ${count - left + 1} versions, the first is ${version.length}`
      )
    }
    version = before
  }
  return version
}

/** A binary search over blocks: any number of them lies between two versions, so each probe finds the version of its block. */
async function byTime(
  view: LogView,
  head: (version: Version) => Promise<Head>,
  latest: Version,
  timeMs: number,
  signal?: AbortSignal
): Promise<Version> {
  if ((await head(latest)).timeMs <= timeMs) return latest
  let late = latest
  let early: Version | undefined
  for (;;) {
    const low: number = early?.length ?? 1
    const middle = await view.versionAtOrAfter(Math.floor((low + late.length) / 2) + 1, latest, signal)
    let probe = middle
    if (probe === undefined || probe.length >= late.length) probe = await view.previous(late, signal)
    if (probe === undefined || probe.length <= low) break
    if ((await head(probe)).timeMs <= timeMs) early = probe
    else late = probe
  }
  if (early !== undefined) return early
  const first = new Date((await head(late)).timeMs).toISOString()
  throw new SyncError('NO_SUCH_VERSION', `The log begins later: its first version is of ${first}`)
}
