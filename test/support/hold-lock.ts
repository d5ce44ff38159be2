/** Takes the lock named by its argument, prints `held`, and holds it until the process is killed. */

import { takeLock } from '../../src/disk/path/lock.ts'

takeLock(process.argv[2] ?? '', 'the folder')
process.stdout.write('held\n')
setInterval(() => {}, 1 << 30)
