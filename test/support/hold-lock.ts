/** Takes the lock that its argument names, says so, and holds it until it is ended. */

import { takeLock } from '../../src/disk/path/lock.ts'

takeLock(process.argv[2] ?? '', 'the folder')
process.stdout.write('held\n')
setInterval(() => {}, 1 << 30)
