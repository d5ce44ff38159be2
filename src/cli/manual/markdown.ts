/** A piece of a guide. Texts still hold inline marks: code, emphasis and links. */
export type MarkdownBlock =
  | { readonly type: 'heading'; readonly level: number; readonly text: string }
  | { readonly type: 'paragraph'; readonly text: string }
  | { readonly type: 'list'; readonly items: ReadonlyArray<{ readonly mark: string; readonly text: string }> }
  | { readonly type: 'code'; readonly lines: readonly string[] }
  | { readonly type: 'table'; readonly header: readonly string[]; readonly rows: ReadonlyArray<readonly string[]> }

/** A stretch of inline text. */
export type Span =
  | { readonly type: 'text' | 'code' | 'emphasis'; readonly text: string }
  | { readonly type: 'link'; readonly text: string; readonly target: string }

const fence = /^```/
const heading = /^(#{1,3}) (.+)$/
const listItem = /^(-|\d+\.) (.+)$/
const tableRow = /^\|(.*)\|$/

/** Parses the part of Markdown that the guides use. Anything else is a paragraph. */
export function parseMarkdown(source: string): MarkdownBlock[] {
  const lines = source.split('\n')
  const blocks: MarkdownBlock[] = []
  for (let at = 0; at < lines.length; ) {
    const [block, next] = parseBlock(lines, at)
    if (block !== undefined) blocks.push(block)
    at = next
  }
  return blocks
}

function parseBlock(lines: readonly string[], at: number): [block: MarkdownBlock | undefined, next: number] {
  const line = lines[at] ?? ''
  if (line.trim() === '') return [undefined, at + 1]
  if (fence.test(line)) return parseCode(lines, at)
  if (tableRow.test(line)) return parseTable(lines, at)
  if (listItem.test(line)) return parseList(lines, at)
  const [, marks, text] = heading.exec(line) ?? []
  if (marks !== undefined && text !== undefined) return [{ type: 'heading', level: marks.length, text }, at + 1]
  const end = endOf(lines, at, startsBlock)
  return [{ type: 'paragraph', text: joined(lines.slice(at, end)) }, end]
}

function parseCode(lines: readonly string[], at: number): [MarkdownBlock, number] {
  const end = endOf(lines, at, (line) => fence.test(line))
  return [{ type: 'code', lines: lines.slice(at + 1, end) }, end + 1]
}

function parseTable(lines: readonly string[], at: number): [MarkdownBlock, number] {
  const end = endOf(lines, at, (line) => !tableRow.test(line))
  const [header = [], , ...rows] = lines.slice(at, end).map(cellsOf)
  return [{ type: 'table', header, rows }, end]
}

function parseList(lines: readonly string[], at: number): [MarkdownBlock, number] {
  const items: { mark: string; text: string }[] = []
  let next = at
  for (let match = listItem.exec(lines[next] ?? ''); match !== null; match = listItem.exec(lines[next] ?? '')) {
    const end = endOf(lines, next, startsBlock)
    const [, mark = '', first = ''] = match
    items.push({ mark, text: joined([first, ...lines.slice(next + 1, end)]) })
    next = end
  }
  return [{ type: 'list', items }, next]
}

/** The index of the first line after `at` that `isEnd` accepts, or the number of lines. */
function endOf(lines: readonly string[], at: number, isEnd: (line: string) => boolean): number {
  const found = lines.findIndex((line, index) => index > at && isEnd(line))
  return found === -1 ? lines.length : found
}

function startsBlock(line: string): boolean {
  return line.trim() === '' || [fence, heading, listItem, tableRow].some((start) => start.test(line))
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => line.trim()).join(' ')
}

/** The cells of a row; `\|` is a bar within a cell. */
function cellsOf(line: string): string[] {
  return line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'))
}

const inline = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\(([^)\s]+)\)/g

/** Splits text at its inline marks. */
export function parseInline(text: string): Span[] {
  const spans: Span[] = []
  let end = 0
  for (const match of text.matchAll(inline)) {
    const [all, code, strong, emphasis = strong, label, target] = match
    if (match.index > end) spans.push({ type: 'text', text: text.slice(end, match.index) })
    if (code !== undefined) spans.push({ type: 'code', text: code })
    else if (emphasis !== undefined) spans.push({ type: 'emphasis', text: emphasis })
    else spans.push({ type: 'link', text: label ?? '', target: target ?? '' })
    end = match.index + all.length
  }
  if (end < text.length) spans.push({ type: 'text', text: text.slice(end) })
  return spans
}

/** The guide that a link in a guide leads to, or `undefined`. */
export function guideOf(target: string): string | undefined {
  return /^([a-z-]+)\.md(?:#.*)?$/.exec(target)?.[1]
}

/** A link in a guide, as a path beneath the package, or as the URL that it is. */
export function placeOf(target: string): string {
  if (/^https?:/.test(target)) return target
  return new URL(target, 'file:///src/guides/').pathname.slice(1)
}
