import { wrap } from '../output/text.ts'
import { guideOf, type MarkdownBlock, parseInline, parseMarkdown, placeOf, type Span } from './markdown.ts'

/** Lines longer than this are hard to read, however wide the terminal is. */
const columnsMax = 100
const indent = '  '

/** A guide as plain text for a terminal. Only lines of code may be longer than `columns`. */
export function guideText(source: string, columns: number): string {
  const width = Math.min(columns, columnsMax)
  const parts = parseMarkdown(source).map((block) => linesOf(block, width).join('\n'))
  return `${parts.join('\n\n')}\n`
}

function linesOf(block: MarkdownBlock, width: number): string[] {
  switch (block.type) {
    case 'heading':
      return wrap(block.level < 3 ? plain(block.text).toUpperCase() : plain(block.text), width)
    case 'paragraph':
      return indented(plain(block.text), indent, width)
    case 'list':
      return block.items.flatMap(({ mark, text }) => hanging(plain(text), `${indent}${mark} `, width))
    case 'code':
      return block.lines.map((line) => (line === '' ? '' : `${indent}${indent}${line}`))
    case 'table':
      return block.rows.flatMap((row, index) => [...(index === 0 ? [] : ['']), ...rowLines(row, block.header, width)])
  }
}

/** A row of a table as a term and, beneath it, its other cells, each with its heading if the table has several. */
function rowLines(row: readonly string[], header: readonly string[], width: number): string[] {
  const [term = '', ...cells] = row
  const deeper = `${indent}${indent}${indent}`
  const named = header.length > 2
  const texts = cells.map((cell, index) => {
    const heading = header[index + 1] ?? ''
    return cell !== '' && named && heading !== '' ? `${plain(heading)}: ${plain(cell)}` : plain(cell)
  })
  return [
    ...indented(plain(term), indent, width),
    ...texts.filter((text) => text !== '').flatMap((text) => hanging(text, deeper, width))
  ]
}

function indented(text: string, by: string, width: number): string[] {
  return wrap(text, width - by.length).map((line) => `${by}${line}`)
}

/** The first line begins with `start`, the others with as many spaces. */
function hanging(text: string, start: string, width: number): string[] {
  const lines = wrap(text, width - start.length)
  return lines.map((line, index) => `${index === 0 ? start : ' '.repeat(start.length)}${line}`)
}

function plain(text: string): string {
  return parseInline(text).map(spanText).join('')
}

function spanText(span: Span): string {
  if (span.type !== 'link') return span.text
  const guide = guideOf(span.target)
  if (guide !== undefined) return `${span.text} (p2psync help ${guide})`
  const place = placeOf(span.target)
  return span.text === place ? place : `${span.text} (${place})`
}
