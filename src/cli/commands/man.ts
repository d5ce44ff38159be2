import { Argument, type Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { guideList, guidePageName } from '../manual/guide-list.ts'
import { print } from '../output/print.ts'

interface Options {
  readonly to?: string
}

const programFile = 'p2psync.1'

/** A page and the name of its file. */
type Page = readonly [file: string, page: string]

export function defineMan(
  command: Command,
  _onStatus: (status: number) => void,
  loadProgram: () => Promise<Command>
): void {
  command
    .description(
      'Prints the manual page, or that of a guide, in roff. It says everything that the helps say, and more. Where npm ' +
        'installed p2psync with -g, man p2psync and man p2psync-networking show them.'
    )
    .addArgument(new Argument('[topic]', 'a guide').choices(guideList.map(([name]) => name)))
    .option('--to <dir>', 'write all pages into this directory instead')
    .action(async (topic: string | undefined, { to }: Options) => {
      const pages = await allPages(await loadProgram())
      if (to === undefined) return print(pageOf(pages, topic))
      const { writePages } = await import('../manual/guide-files.ts')
      writePages(to, pages)
    })
  addExamples(command, ['p2psync man | man -l -', 'p2psync man nat | man -l -', 'p2psync man > p2psync.1'])
}

/** The page of the program, then those of the guides. */
async function allPages(program: Command): Promise<Page[]> {
  const { describeProgram } = await import('../manual/describe.ts')
  const { readGuide } = await import('../manual/guide-files.ts')
  const { guidePage } = await import('../manual/guide-page.ts')
  const { manualPage } = await import('../manual/manual.ts')
  const today = new Date()
  const text = describeProgram(program)
  const guides = guideList.map(
    ([name]): Page => [guideFile(name), guidePage(name, readGuide(name), text.version, today)]
  )
  return [[programFile, manualPage(text, today)], ...guides]
}

/** The page of a guide; the program's without a topic. */
function pageOf(pages: readonly Page[], topic: string | undefined): string {
  const wanted = topic === undefined ? programFile : guideFile(topic)
  return pages.find(([file]) => file === wanted)?.[1] ?? ''
}

function guideFile(name: string): string {
  return `${guidePageName(name)}.7`
}
