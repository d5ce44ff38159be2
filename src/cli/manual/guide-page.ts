import { guideList, guidePageName } from './guide-list.ts'
import { guideOf, type MarkdownBlock, parseInline, parseMarkdown, placeOf, type Span } from './markdown.ts'
import { literal, text } from './roff.ts'

/**
 * A guide as a manual page of section 7, in roff.
 *
 * @param version the program's
 * @param today the date at its foot
 */
export function guidePage(name: string, source: string, version: string, today: Date): string {
  const [title, ...blocks] = parseMarkdown(source)
  const [, summary = ''] = guideList.find(([each]) => each === name) ?? []
  const page = guidePageName(name)
  const date = today.toISOString().slice(0, 10)
  const lines = [
    `.\\" Made of src/guides/${name}.md`,
    `.TH ${page.toUpperCase()} 7 ${date} "p2psync ${version}" "p2psync guides"`,
    '.SH NAME',
    `${text(page)} \\- ${text(summary)}`,
    '.SH DESCRIPTION',
    ...withoutLeadingBreak(blocks.filter((it) => it !== title)).map(({ lines }) => lines.join('\n')),
    '.SH SEE ALSO',
    `${literal('p2psync')}(1)`
  ]
  return `${lines.join('\n')}\n`
}

/** A break right behind a heading is a fault to the tools that check pages. */
function withoutLeadingBreak(blocks: readonly MarkdownBlock[]): { readonly lines: readonly string[] }[] {
  let isFirst = true
  return blocks.map((block) => {
    const lines = roffOf(block)
    const kept = isFirst && lines[0] === '.PP' ? lines.slice(1) : lines
    isFirst = block.type === 'heading'
    return { lines: kept }
  })
}

function roffOf(block: MarkdownBlock): string[] {
  switch (block.type) {
    case 'heading':
      return block.level < 3 ? [`.SH ${plain(block.text).toUpperCase()}`] : [`.SS ${plain(block.text)}`]
    case 'paragraph':
      return ['.PP', text(plainOf(block.text))]
    case 'list':
      return block.items.flatMap((item) => [
        `.IP ${item.mark === '-' ? '\\(bu 2' : `${item.mark} 4`}`,
        text(plainOf(item.text))
      ])
    case 'code':
      return ['.PP', '.RS 4', '.nf', ...block.lines.map(codeLine), '.fi', '.RE']
    case 'table':
      return block.rows.flatMap((row) => rowRoff(row, block.header))
  }
}

function rowRoff(row: readonly string[], header: readonly string[]): string[] {
  const [term = '', ...cells] = row
  const named = header.length > 2
  const texts = cells.flatMap((cell, index) => {
    const heading = plainOf(header[index + 1] ?? '')
    if (cell === '') return []
    return [text(named && heading !== '' ? `${heading}: ${plainOf(cell)}` : plainOf(cell))]
  })
  return ['.TP', literal(plainOf(term)), ...texts.flatMap((each, index) => (index === 0 ? [each] : ['.br', each]))]
}

/** Text of a request's argument. */
function plain(source: string): string {
  return text(plainOf(source)).replaceAll('\n', ' ')
}

function plainOf(source: string): string {
  return parseInline(source).map(spanText).join('')
}

function spanText(span: Span): string {
  if (span.type !== 'link') return span.text
  const guide = guideOf(span.target)
  if (guide !== undefined) return `${span.text} (${guidePageName(guide)}(7))`
  const place = placeOf(span.target)
  return span.text === place ? place : `${span.text} (${place})`
}

/** A line of code as it is. An empty line would be a fault, and so would a tab. */
function codeLine(line: string): string {
  return line === '' ? '.sp' : literal(line.replaceAll('\t', '        '))
}
