import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Assert } from 'brittle'
import { packageRoot } from './cli.ts'

/** A process that observes the mirror continuously. */
export interface Observer {
  readonly violations: string[]
  end(): Promise<{ readonly rounds: number; readonly reads: number }>
}

/** Starts observing `mirror`; `published` is the file that lists the permitted contents. */
export function observe(t: Assert, mirror: string, published: string): Observer {
  const program = join(packageRoot, 'dist/test/support/observer.js')
  const child = spawn(process.execPath, [program, mirror, published], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => void child.kill('SIGKILL'))
  const violations: string[] = []
  const ended = new Promise<{ rounds: number; reads: number }>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const record = JSON.parse(line) as { rounds: number; reads: number; path?: string }
      if (record.path !== undefined) violations.push(line)
      else if (record.rounds !== undefined) resolve(record)
    })
    child.once('exit', (code) => reject(new Error(`The observer ended with ${code}`)))
  })
  ended.catch((error: Error) => violations.push(error.message))
  return {
    violations,
    end() {
      child.kill('SIGTERM')
      return ended
    }
  }
}
