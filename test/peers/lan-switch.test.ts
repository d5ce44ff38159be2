import { test } from 'brittle'
import { isLanForbidden } from '../../src/peers/lan-switch.ts'

const cases: ReadonlyArray<[value: string | undefined, forbidden: boolean]> = [
  [undefined, false],
  ['', false],
  ['0', false],
  ['false', false],
  ['1', true],
  ['true', true],
  ['yes', true]
]
for (const [value, forbidden] of cases) {
  test(`P2PSYNC_NO_LAN=${value} ${forbidden ? 'forbids' : 'allows'} multicast`, (t) => {
    t.is(isLanForbidden(value === undefined ? {} : { P2PSYNC_NO_LAN: value }), forbidden)
  })
}
