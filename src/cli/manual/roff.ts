import { wrap } from '../output/text.ts'

/** Source lines are no longer, so that tools that check them are content. */
const columns = 72

/** A paragraph as roff has it: a sentence begins on a line of its own. */
export function text(paragraph: string): string {
  return paragraph
    .split(/(?<=[.:;?!])\s+/)
    .flatMap((sentence) => wrap(sentence, columns))
    .map((line) =>
      escapeStart(escapeOdd(line).replaceAll(/(?<=^|[\s(])--?(?=[\w<])/g, (dashes) => dashes.replaceAll('-', '\\-')))
    )
    .join('\n')
}

/** What a user types, as it is, in bold. */
export function literal(typed: string): string {
  return `\\fB${escapeOdd(typed).replaceAll('-', '\\-')}\\fR`
}

// Else some devices would show them as other characters, which can't be copied.
const named: Readonly<Record<string, string>> = { '\\': '\\e', "'": '\\(aq', '`': '\\(ga', '^': '\\(ha', '~': '\\(ti' }

function escapeOdd(plain: string): string {
  return plain.replaceAll(/[\\'`^~]|[^\x20-\x7e]/gu, (character) => {
    const code = character.codePointAt(0) as number
    return named[character] ?? `\\[u${code.toString(16).toUpperCase().padStart(4, '0')}]`
  })
}

/** A line that begins with a dot would be a request. */
function escapeStart(line: string): string {
  return line.startsWith('.') ? `\\&${line}` : line
}
