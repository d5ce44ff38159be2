import { Argument, type Command } from 'commander'
import type { ProgramText } from '../manual/describe.ts'
import { addExamples } from '../manual/examples.ts'
import { print } from '../output/print.ts'

type Shell = 'bash' | 'zsh' | 'fish'

export function defineCompletion(
  command: Command,
  _onStatus: (status: number) => void,
  loadProgram: () => Promise<Command>
): void {
  command
    .description(
      'Prints a script for bash, zsh or fish. With it, Tab completes commands, options, directories, and paths within ' +
        'a folder. The script belongs to this version of p2psync: print it again after an update.'
    )
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      const { describeProgram } = await import('../manual/describe.ts')
      await print(await completionFor(shell, describeProgram(await loadProgram())))
    })
  addExamples(
    command,
    [
      [
        'p2psync completion bash > ~/.local/share/bash-completion/completions/p2psync',
        'bash with the package bash-completion; without it, add source <(p2psync completion bash) to ~/.bashrc'
      ],
      [
        'p2psync completion zsh > ~/.zsh/completions/_p2psync',
        'zsh; ~/.zshrc must contain fpath=(~/.zsh/completions $fpath) before it calls compinit'
      ],
      ['p2psync completion fish > ~/.config/fish/completions/p2psync.fish', 'fish']
    ],
    'Create the directory first if it is missing, and start a new shell afterwards.'
  )
}

async function completionFor(shell: Shell, program: ProgramText): Promise<string> {
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashCompletion(program)
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshCompletion(program)
    case 'fish':
      return (await import('../completion/fish.ts')).fishCompletion(program)
  }
}
