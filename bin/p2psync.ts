#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { main } from '../src/cli/main.ts'

// Left to itself, V8 lets the heap grow to a multiple of what is in use before it collects. With 100,000 files
// that was 150 MB more, and a tenth less of processor time.
setFlagsFromString('--heap-growing-percent=50')
process.exitCode = await main(process.argv)
// Whatever a dependency may have left open must not keep an ended command alive.
process.exit()
