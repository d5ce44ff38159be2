import { type Argument, Help, type HelpConfiguration } from 'commander'

/** The options of a command, in the order in which its help tells them: first what it alone has. */
export const optionGroups = { own: 'Options:', state: 'State and output:', network: 'Finding peers:' } as const

const order: readonly string[] = Object.values(optionGroups)
const plain = new Help()

/** How the help of all commands looks. */
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
