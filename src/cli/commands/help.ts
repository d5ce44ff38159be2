import { Argument, type Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { guideList } from '../manual/guide-list.ts'
import { print } from '../output/print.ts'

const columnsDefault = 80

/** Its caller loads the definition of the command that it shows. */
export function defineHelp(command: Command): void {
  const program = command.parent ?? command
  const commands = program.commands.map((each) => each.name())
  const guides = guideList.map(([name]) => name)
  command
    .description('Shows the help of a command, or prints a guide. Without either, lists the commands and the guides.')
    .addArgument(new Argument('[command|topic]', 'one of those listed').choices([...commands, ...guides]))
    .action(async (name: string | undefined) => {
      if (name !== undefined && guides.includes(name)) return printGuide(name)
      const shown = program.commands.find((each) => each.name() === name) ?? program
      shown.outputHelp()
    })
  addExamples(command, [
    ['p2psync help clone', 'the same as p2psync clone --help'],
    ['p2psync help networking', 'prints the guide'],
    'p2psync help versions-and-gc | less'
  ])
}

async function printGuide(name: string): Promise<void> {
  const { readGuide } = await import('../manual/guide-files.ts')
  const { guideText } = await import('../manual/guide-text.ts')
  await print(guideText(readGuide(name), process.stdout.columns ?? columnsDefault))
}
