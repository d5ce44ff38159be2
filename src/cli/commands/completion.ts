import { Argument, type Command } from 'commander'
import { addExamples } from '../manual/examples.ts'
import { print } from '../output/print.ts'

type Shell = 'bash' | 'zsh' | 'fish'

export function addCompletionCommand(program: Command): void {
  const command = program
    .command('completion')
    .summary('print a completion script for a shell')
    .description(
      'Prints a script for bash, zsh or fish. With it the Tab key completes commands, options, directories, and paths in ' +
        'a folder. It is made for this version: print it again after an update.'
    )
    .addArgument(new Argument('<shell>', 'which one').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      const { describeProgram } = await import('../manual/describe.ts')
      await print((await makerFor(shell))(describeProgram(program)))
    })
  addExamples(
    command,
    [
      [
        'p2psync completion bash > ~/.local/share/bash-completion/completions/p2psync',
        'for bash with the package bash-completion; without it, put source <(p2psync completion bash) into ~/.bashrc'
      ],
      [
        'p2psync completion zsh > ~/.zsh/completions/_p2psync',
        'for zsh: fpath=(~/.zsh/completions $fpath) has to stand in ~/.zshrc before compinit is called'
      ],
      ['p2psync completion fish > ~/.config/fish/completions/p2psync.fish', 'for fish']
    ],
    'Make the directory first where it is missing, and start a new shell afterwards.'
  )
}

async function makerFor(shell: Shell) {
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashCompletion
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshCompletion
    case 'fish':
      return (await import('../completion/fish.ts')).fishCompletion
  }
}
