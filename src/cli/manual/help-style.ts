import { type Argument, Help, type HelpConfiguration } from 'commander'

/** Headings of the options of a command, in the order of its help: first its own. */
export const optionGroups = { own: 'Options:', state: 'State and output:', network: 'Finding peers:' } as const

const order: readonly string[] = Object.values(optionGroups)
const plain = new Help()

/** The layout of the help of all commands. */
export const helpStyle: HelpConfiguration = {
  // The list of commands needs no command's definition, so it can't show arguments.
  subcommandTerm: (command) => command.name(),
  groupItems: (items, visible, groupOf) => {
    const groups = plain.groupItems(items, visible, groupOf)
    const rank = (heading: string) => order.indexOf(heading)
    return new Map([...groups].sort(([a], [b]) => rank(a) - rank(b)))
  }
}

/** `<where>`, `[path]`, `[@V|path...]`. */
export function argumentTerm(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}
