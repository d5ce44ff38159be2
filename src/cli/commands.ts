import type { Command } from 'commander'

/** Adds a command, or several that belong together, to the program. */
type Add = (program: Command, onStatus: (status: number) => void) => void

interface CommandGroup {
  readonly heading: string
  /** Names, and what adds the commands of these names. */
  readonly commands: readonly (readonly [names: readonly string[], load: () => Promise<Add>])[]
}

/** All commands, in the order in which a user meets them. */
export const commandGroups: readonly CommandGroup[] = [
  {
    heading: 'Sharing:',
    commands: [
      [['share'], async () => (await import('./commands/share.ts')).addShareCommand],
      [['clone'], async () => (await import('./commands/clone.ts')).addCloneCommand],
      [['select'], async () => (await import('./commands/select.ts')).addSelectCommand],
      [['scan'], async () => (await import('./commands/scan.ts')).addScanCommand],
      [['pause', 'resume'], async () => (await import('./commands/pause.ts')).addPauseCommands]
    ]
  },
  {
    heading: 'Looking:',
    commands: [
      [['status'], async () => (await import('./commands/status.ts')).addStatusCommand],
      [['ls'], async () => (await import('./commands/ls.ts')).addLsCommand],
      [['watch'], async () => (await import('./commands/watch.ts')).addWatchCommand],
      [['log'], async () => (await import('./commands/log.ts')).addLogCommand],
      [['diff'], async () => (await import('./commands/diff.ts')).addDiffCommand]
    ]
  },
  {
    heading: 'Going back:',
    commands: [
      [['cat'], async () => (await import('./commands/cat.ts')).addCatCommand],
      [['get'], async () => (await import('./commands/get.ts')).addGetCommand],
      [['restore'], async () => (await import('./commands/restore.ts')).addRestoreCommand],
      [['revert'], async () => (await import('./commands/revert.ts')).addRevertCommand]
    ]
  },
  {
    heading: 'Looking after:',
    commands: [
      [['wait'], async () => (await import('./commands/wait.ts')).addWaitCommand],
      [['verify'], async () => (await import('./commands/verify.ts')).addVerifyCommand],
      [['gc'], async () => (await import('./commands/gc.ts')).addGcCommand],
      [['inspect'], async () => (await import('./commands/inspect.ts')).addInspectCommand]
    ]
  },
  {
    heading: 'Network:',
    commands: [
      [['peers'], async () => (await import('./commands/peers.ts')).addPeersCommand],
      [['limit'], async () => (await import('./commands/limit.ts')).addLimitCommand],
      [['id'], async () => (await import('./commands/id.ts')).addIdCommand],
      [['bootstrap'], async () => (await import('./commands/bootstrap.ts')).addBootstrapCommand],
      [['doctor'], async () => (await import('./commands/doctor.ts')).addDoctorCommand]
    ]
  },
  {
    heading: 'Help:',
    commands: [
      [['completion'], async () => (await import('./commands/completion.ts')).addCompletionCommand],
      [['man'], async () => (await import('./commands/man.ts')).addManCommand],
      // Last: it offers all commands that stand before it.
      [['help'], async () => (await import('./commands/help.ts')).addHelpCommand]
    ]
  }
]

/** A command's name, if it is one that can be added alone: those under Help tell of all the others. */
export function commandNamed(text: string | undefined): string | undefined {
  const groups = commandGroups.filter(({ heading }) => heading !== 'Help:')
  const names = groups.flatMap(({ commands }) => commands.flatMap(([each]) => each))
  return names.find((name) => name === text)
}
