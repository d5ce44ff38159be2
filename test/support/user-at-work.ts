import { setImmediate as nextTurn } from 'node:timers/promises'
import extensions from 'fs-native-extensions'

/** A user at work, in a process of its own, until its standard input ends: it swaps two paths repeatedly. */
const [a = '', b = ''] = process.argv.slice(2)
let working = true
process.stdin.on('end', () => {
  working = false
})
process.stdin.resume()
process.stdout.write('ready\n')
while (working) {
  for (let i = 0; i < 100; i++) extensions.swapSync(a, b)
  await nextTurn()
}
