import { test } from 'brittle'
import { isSilence } from '../src/keep-alive-bytes.ts'

const cases: ReadonlyArray<[bytes: number, silent: boolean]> = [
  [0, true],
  [4095, true],
  [4096, false],
  [1_000_000, false]
]

for (const [bytes, silent] of cases) {
  test(`${bytes} bytes are ${silent ? 'silence' : 'traffic'}`, (t) => t.is(isSilence(bytes), silent))
}
