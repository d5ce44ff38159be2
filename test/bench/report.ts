import type { Figure } from './workloads.ts'

/** The recorded part of a figure: multiples of comparable work, and values that don't depend on the machine. */
export interface Recorded {
  readonly times: number
  readonly cpuTimes: number
  readonly peakMb: number
  readonly storedMb: number
}

export function keptOf({ cost, base }: Figure): Recorded {
  return {
    times: rounded(cost.seconds / base.seconds),
    cpuTimes: rounded(cost.cpuSeconds / base.cpuSeconds),
    peakMb: rounded(cost.peakMb),
    storedMb: rounded(cost.storedMb)
  }
}

const columns: ReadonlyArray<readonly [heading: string, width: number]> = [
  ['', -30],
  ['s', 8],
  ['× base', 8],
  ['× rsync', 8],
  ['CPU s', 8],
  ['peak MB', 8],
  ['stored MB', 10],
  ['disk MB', 8],
  ['vs. recorded: time', 20],
  ['CPU', 6],
  ['peak', 6]
]

export const headings = line(columns.map(([heading]) => heading))

/** One line of the table. */
export function rowOf(figure: Figure, recorded: Recorded | undefined): string {
  const { name, cost, base, rsyncSeconds } = figure
  const now = keptOf(figure)
  const than = (value: number, before: number | undefined) =>
    before === undefined || before === 0 ? '' : (value / before).toFixed(2)
  return line([
    name,
    cost.seconds.toFixed(3),
    (cost.seconds / base.seconds).toFixed(1),
    rsyncSeconds === undefined ? '' : (cost.seconds / rsyncSeconds).toFixed(1),
    cost.cpuSeconds.toFixed(2),
    cost.peakMb.toFixed(0),
    cost.storedMb.toFixed(2),
    cost.diskMb.toFixed(0),
    than(now.times, recorded?.times),
    than(now.cpuTimes, recorded?.cpuTimes),
    than(now.peakMb, recorded?.peakMb)
  ])
}

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => {
      const width = columns[i]?.[1] ?? 0
      return width < 0 ? cell.padEnd(-width) : cell.padStart(width)
    })
    .join(' ')
    .trimEnd()
}

function rounded(value: number): number {
  return Number(value.toPrecision(3))
}
