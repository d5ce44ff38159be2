import type { Command } from 'commander'
import { wrap } from '../output/text.ts'

/** A command line, and what it does unless that is obvious. */
export type Example = string | readonly [line: string, does: string]

/** A note that several commands share; the manual prints it once. */
export interface Topic {
  readonly heading: string
  readonly text: string
}

/** A paragraph after the examples. */
export type Note = string | Topic

/** What the help shows beneath the options of a command. */
export interface Remarks {
  readonly examples: readonly Example[]
  readonly notes: readonly Note[]
}

const remarks = new WeakMap<Command, Remarks>()
const columnsDefault = 80

/** Adds examples and notes to the help of a command and to the manual. Tests parse the examples. */
export function addExamples(command: Command, examples: readonly Example[], ...notes: readonly Note[]): void {
  remarks.set(command, { examples, notes })
  command.addHelpText('after', ({ error }) => {
    const { getErrHelpWidth, getOutHelpWidth } = command.configureOutput()
    const columns = (error ? getErrHelpWidth : getOutHelpWidth)?.() ?? columnsDefault
    return helpOf({ examples, notes }, columns)
  })
}

/** The examples and notes of a command, empty if it has none. */
export function remarksOf(command: Command): Remarks {
  return remarks.get(command) ?? { examples: [], notes: [] }
}

/** Splits an example into its line and its explanation. */
export function partsOf(example: Example): readonly [line: string, does: string | undefined] {
  return typeof example === 'string' ? [example, undefined] : example
}

function helpOf({ examples, notes }: Remarks, columns: number): string {
  const lines = examples.flatMap((example) => {
    const [line, does] = partsOf(example)
    return [`  $ ${line}`, ...(does === undefined ? [] : wrap(does, columns - 6).map((row) => `      ${row}`))]
  })
  const paragraphs = notes.flatMap((note) => ['', ...wrap(typeof note === 'string' ? note : note.text, columns)])
  return ['', 'Examples:', ...lines, ...paragraphs].join('\n')
}
