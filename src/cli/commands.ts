import type { Command } from 'commander'

/**
 * Adds the description, the arguments, the options and the action of a command, which has its name and summary.
 *
 * @param onStatus takes the exit status of the action
 * @param loadProgram loads the other commands too, for actions that describe them all
 */
type DefineCommand = (command: Command, onStatus: (status: number) => void, loadProgram: () => Promise<Command>) => void

interface CommandEntry {
  readonly name: string
  /** For the list of commands: imperative, without a full stop. */
  readonly summary: string
  readonly load: () => Promise<DefineCommand>
}

interface CommandGroup {
  readonly heading: string
  readonly commands: readonly CommandEntry[]
}

/** All commands, in the order in which a user meets them. */
const commandGroups: readonly CommandGroup[] = [
  {
    heading: 'Sharing:',
    commands: [
      {
        name: 'share',
        summary: 'publish a directory and follow its changes',
        load: async () => (await import('./commands/share.ts')).defineShare
      },
      {
        name: 'clone',
        summary: 'mirror a published directory and follow it',
        load: async () => (await import('./commands/clone.ts')).defineClone
      },
      {
        name: 'select',
        summary: 'choose which part or version a mirror holds',
        load: async () => (await import('./commands/select.ts')).defineSelect
      },
      {
        name: 'scan',
        summary: 'publish changes once, without a network',
        load: async () => (await import('./commands/scan.ts')).defineScan
      },
      {
        name: 'pause',
        summary: 'suspend a folder until resume',
        load: async () => (await import('./commands/pause.ts')).definePause
      },
      {
        name: 'resume',
        summary: 'continue a paused folder',
        load: async () => (await import('./commands/pause.ts')).defineResume
      }
    ]
  },
  {
    heading: 'Reading:',
    commands: [
      {
        name: 'status',
        summary: 'show the state of a folder',
        load: async () => (await import('./commands/status.ts')).defineStatus
      },
      {
        name: 'ls',
        summary: 'list a directory at any version',
        load: async () => (await import('./commands/ls.ts')).defineLs
      },
      {
        name: 'watch',
        summary: 'list a folder and show its changes live',
        load: async () => (await import('./commands/watch.ts')).defineWatch
      },
      {
        name: 'log',
        summary: 'show the versions of a folder or a path',
        load: async () => (await import('./commands/log.ts')).defineLog
      },
      {
        name: 'diff',
        summary: 'compare versions, or a version with the disk',
        load: async () => (await import('./commands/diff.ts')).defineDiff
      }
    ]
  },
  {
    heading: 'Restoring:',
    commands: [
      {
        name: 'cat',
        summary: 'print a file at any version',
        load: async () => (await import('./commands/cat.ts')).defineCat
      },
      {
        name: 'get',
        summary: 'write a file or directory of any version to disk',
        load: async () => (await import('./commands/get.ts')).defineGet
      },
      {
        name: 'restore',
        summary: 'bring a folder or a path back to a version',
        load: async () => (await import('./commands/restore.ts')).defineRestore
      },
      {
        name: 'revert',
        summary: 'discard local changes of a mirror',
        load: async () => (await import('./commands/revert.ts')).defineRevert
      }
    ]
  },
  {
    heading: 'Maintaining:',
    commands: [
      {
        name: 'wait',
        summary: 'wait until a folder is in sync or has a version',
        load: async () => (await import('./commands/wait.ts')).defineWait
      },
      {
        name: 'verify',
        summary: 'check files against the signed log, and repair',
        load: async () => (await import('./commands/verify.ts')).defineVerify
      },
      {
        name: 'gc',
        summary: 'free the disk space of old versions',
        load: async () => (await import('./commands/gc.ts')).defineGc
      },
      {
        name: 'inspect',
        summary: 'print the raw records of a log',
        load: async () => (await import('./commands/inspect.ts')).defineInspect
      }
    ]
  },
  {
    heading: 'Network:',
    commands: [
      {
        name: 'peers',
        summary: 'list the connected peers of a folder',
        load: async () => (await import('./commands/peers.ts')).definePeers
      },
      {
        name: 'limit',
        summary: 'limit the bandwidth of a folder',
        load: async () => (await import('./commands/limit.ts')).defineLimit
      },
      {
        name: 'id',
        summary: 'print the public key of this machine',
        load: async () => (await import('./commands/id.ts')).defineId
      },
      {
        name: 'bootstrap',
        summary: 'run a private DHT',
        load: async () => (await import('./commands/bootstrap.ts')).defineBootstrap
      },
      {
        name: 'doctor',
        summary: 'test this machine and its network',
        load: async () => (await import('./commands/doctor.ts')).defineDoctor
      }
    ]
  },
  {
    heading: 'Help:',
    commands: [
      {
        name: 'completion',
        summary: 'print a completion script for a shell',
        load: async () => (await import('./commands/completion.ts')).defineCompletion
      },
      {
        name: 'man',
        summary: 'print a manual page',
        load: async () => (await import('./commands/man.ts')).defineMan
      },
      {
        name: 'help',
        summary: 'show the help of a command, or a guide',
        load: async () => (await import('./commands/help.ts')).defineHelp
      }
    ]
  }
]

/** Loads the definition of a command whose name and summary are there. */
const loaders = new WeakMap<Command, () => Promise<void>>()

/**
 * Adds the names and summaries of all commands to the program. A command loads its definition when it is about to
 * run: reading those of all commands takes longer than most of them run.
 */
export function addCommands(program: Command, onStatus: (status: number) => void): void {
  for (const { heading, commands } of commandGroups) {
    program.commandsGroup(heading)
    for (const { name, summary, load } of commands) {
      const command = program.command(name).summary(summary)
      loaders.set(command, async () => (await load())(command, onStatus, () => loadCommands(program)))
    }
  }
  program.hook('preSubcommand', (_, command) => loadCommand(command))
}

/** Loads the definition of a command, once. */
export async function loadCommand(command: Command): Promise<void> {
  const load = loaders.get(command)
  loaders.delete(command)
  await load?.()
}

/** Loads the definitions of all commands of a program. @returns the program */
export async function loadCommands(program: Command): Promise<Command> {
  await Promise.all(program.commands.map(loadCommand))
  return program
}
