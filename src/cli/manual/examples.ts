import type { Command } from 'commander'
import { wrap } from '../output/text.ts'

/** A command line, as it is typed, and what it does where that doesn't go without saying. */
export type Example = string | readonly [line: string, does: string]

/** What several commands have to say: a manual tells it once. */
export interface Topic {
  readonly heading: string
  readonly text: string
}

/** A paragraph behind the examples. */
export type Note = string | Topic

/** What is told beneath the options of a command. */
export interface Remarks {
  readonly examples: readonly Example[]
  readonly notes: readonly Note[]
}

const remarks = new WeakMap<Command, Remarks>()
const columnsDefault = 80

/** Adds examples and notes to the help of a command, to the manual, and to what the tests try. */
export function addExamples(command: Command, examples: readonly Example[], ...notes: readonly Note[]): void {
  remarks.set(command, { examples, notes })
  command.addHelpText('after', ({ error }) => {
    const { getErrHelpWidth, getOutHelpWidth } = command.configureOutput()
    const columns = (error ? getErrHelpWidth : getOutHelpWidth)?.() ?? columnsDefault
    return helpOf({ examples, notes }, columns)
  })
}

/** Those of a command: none where it was given none. */
export function remarksOf(command: Command): Remarks {
  return remarks.get(command) ?? { examples: [], notes: [] }
}

/** @returns the line, and what it does */
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
