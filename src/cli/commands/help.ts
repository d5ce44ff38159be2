import { Argument, type Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { guideList } from '../manual/guide-list.ts'
import { print } from '../output/print.ts'

const columnsDefault = 80

/** Added last: it offers the commands that the program has by then, and the guides. */
export function addHelpCommand(program: Command): void {
  const commands = program.commands.map((command) => command.name())
  const guides = guideList.map(([name]) => name)
  const command = program
    .command('help')
    .summary('show the help of a command, or a guide')
    .description('Shows the help of a command, or prints a guide. Without either, lists the commands and the guides.')
    .addArgument(new Argument('[command|topic]', 'one of those listed').choices([...commands, 'help', ...guides]))
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
