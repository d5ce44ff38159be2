import { wrap } from '../output/text.ts'

/** The length of source lines that tools which check pages accept. */
const columns = 72

/** A paragraph in roff, which wants each sentence to begin on a line of its own. */
export function text(paragraph: string): string {
  return paragraph
    .split(/(?<=[.:;?!])\s+/)
    .flatMap((sentence) => wrap(sentence, columns))
    .map((line) =>
      escapeStart(escapeOdd(line).replaceAll(/(?<=^|[\s(])--?(?=[\w<])/g, (dashes) => dashes.replaceAll('-', '\\-')))
    )
    .join('\n')
}

/** Text that a user types, unchanged, in bold. */
export function literal(typed: string): string {
  return `\\fB${escapeOdd(typed).replaceAll('-', '\\-')}\\fR`
}

// Some devices show these as other characters, which a user then copies.
const named: Readonly<Record<string, string>> = { '\\': '\\e', "'": '\\(aq', '`': '\\(ga', '^': '\\(ha', '~': '\\(ti' }

function escapeOdd(plain: string): string {
  return plain.replaceAll(/[\\'`^~]|[^\x20-\x7e]/gu, (character) => {
    const code = character.codePointAt(0) as number
    return named[character] ?? `\\[u${code.toString(16).toUpperCase().padStart(4, '0')}]`
  })
}

/** roff takes a line that begins with a dot as a request. */
function escapeStart(line: string): string {
  return line.startsWith('.') ? `\\&${line}` : line
}
