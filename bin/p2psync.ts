#!/usr/bin/env node
import { main } from '../src/cli/main.ts'

process.exitCode = await main(process.argv)
// Whatever a dependency may have left open must not keep an ended command alive.
process.exit()
