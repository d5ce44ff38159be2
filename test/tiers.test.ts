import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'brittle'
import { named } from './tiers.ts'

test('the tables of the tiers name files and directories that there are', (t) => {
  const isThere = (place: string) => ['', '.test.js'].some((end) => existsSync(join(import.meta.dirname, place + end)))
  t.alike(
    named.filter((place) => !isThere(place)),
    []
  )
})
