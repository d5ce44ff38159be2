import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the guides lie in the package, seen from `dist/src/cli/manual`. */
const directory = fileURLToPath(new URL('../../../../src/guides/', import.meta.url))

/** A guide, in Markdown. */
export function readGuide(name: string): string {
  return readFileSync(join(directory, `${name}.md`), 'utf8')
}

/** Writes pages into a directory that exists. */
export function writePages(to: string, pages: ReadonlyArray<readonly [file: string, page: string]>): void {
  for (const [file, page] of pages) writeFileSync(join(to, file), page)
}
