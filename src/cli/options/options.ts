import { type Command, Option } from 'commander'
import type { InPlaceOptions } from '../../index.ts'
import { optionGroups } from '../manual/help-style.ts'
import { parseSize } from './parse.ts'

/** The option of every command that works on a folder of this machine. */
export interface StateOptions {
  readonly state?: string
}

export function addStateOption(command: Command): Command {
  return command.option('--state <dir>', 'state directory of the folder, if its marker does not name it')
}

/** Options of the commands that run one operation on a folder. */
export interface FolderOptions extends StateOptions {
  readonly json?: boolean
}

export function addFolderOptions(command: Command, json = 'print JSON, one object a line'): Command {
  return addStateOption(command).option('--json', json)
}

/** Options of the commands that open a folder themselves. */
export interface CommonOptions extends StateOptions {
  readonly inPlaceAbove?: number
  readonly json?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
}

export function addCommonOptions(command: Command): Command {
  return command
    .optionsGroup(optionGroups.state)
    .option('--state <dir>', 'keep log and state in this directory; only a marker stays in the folder')
    .option(
      '--in-place-above <size>',
      'keep the contents of files larger than this in the folder alone, not in the log too; or none (default: 1MiB)',
      parseSize
    )
    .option('--json', 'print events to stdout as JSON, one object a line')
    .addOption(new Option('-q, --quiet', 'print only errors').conflicts('verbose'))
    .option('-v, --verbose', 'also print peers and every version')
    .optionsGroup(optionGroups.own)
}

/** The properties of an object that are not `undefined`: an option that the user omits keeps its default. */
export function given<T extends object>(options: T): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  // Object.fromEntries forgets the names.
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

/** The options of a folder handle among the options of a command. */
export function folderOptions({ state, inPlaceAbove }: CommonOptions): InPlaceOptions & StateOptions {
  return given({ state, inPlaceAbove })
}
