import { spawnSync } from 'node:child_process'
import { test } from 'brittle'
import { readGuide } from '../../../src/cli/manual/guide-files.ts'
import { guideList, guidePageName } from '../../../src/cli/manual/guide-list.ts'
import { guidePage } from '../../../src/cli/manual/guide-page.ts'
import { guideText } from '../../../src/cli/manual/guide-text.ts'
import { parseMarkdown } from '../../../src/cli/manual/markdown.ts'

const source = `# A guide

Text that is **bold**, *slanted* and \`code\`, wrapped
over two lines, with a [guide](nat.md) and a
[page](../net/PROTOCOL.md) and an [elsewhere](https://example.org/a).

## A table

| name | what | why |
|---|---|---|
| \`a\\|b\` | first | second |
| alone | | last |

- an item
  that goes on
- another

1. one

\`\`\`
$ p2psync ls
  | as it is **
\`\`\`
`

test('a guide is plain text, as wide as the terminal', (t) => {
  t.is(
    guideText(source, 40),
    `A GUIDE

  Text that is bold, slanted and code,
  wrapped over two lines, with a guide
  (p2psync help nat) and a page
  (src/net/PROTOCOL.md) and an elsewhere
  (https://example.org/a).

A TABLE

  a|b
      what: first
      why: second

  alone
      why: last

  - an item that goes on
  - another

  1. one

    $ p2psync ls
      | as it is **
`
  )
})

test('a guide is a page of section 7', (t) => {
  const page = guidePage('networking', source, '1.2.3', new Date('2026-11-20T12:00:00Z'))
  t.is(
    page,
    `.\\" Made of src/guides/networking.md
.TH P2PSYNC-NETWORKING 7 2026-11-20 "p2psync 1.2.3" "p2psync guides"
.SH NAME
p2psync-networking \\- how peers find each other, and which connection carries
.SH DESCRIPTION
Text that is bold, slanted and code, wrapped over two lines, with a
guide (p2psync-nat(7)) and a page (src/net/PROTOCOL.md) and an elsewhere
(https://example.org/a).
.SH A TABLE
.TP
\\fBa|b\\fR
what:
first
.br
why:
second
.TP
\\fBalone\\fR
why:
last
.IP \\(bu 2
an item that goes on
.IP \\(bu 2
another
.IP 1. 4
one
.PP
.RS 4
.nf
\\fB$ p2psync ls\\fR
\\fB  | as it is **\\fR
.fi
.RE
.SH SEE ALSO
\\fBp2psync\\fR(1)
`
  )
})

/** What finds faults in a page, where it is installed. */
const checkers: ReadonlyArray<readonly [string, ...string[]]> = [
  ['mandoc', '-Tlint', '-W', 'warning'],
  ['groff', '-man', '-ww', '-Tutf8', '-z']
]

for (const [name] of guideList) {
  const guide = readGuide(name)
  test(`${name} leaves no Markdown in a terminal, and fits 80 columns`, (t) => {
    const blocks = parseMarkdown(guide)
    t.is(blocks[0]?.type, 'heading', 'begins with its title')
    const code = blocks.flatMap((block) => (block.type === 'code' ? block.lines.map((line) => `    ${line}`) : []))
    const prose = guideText(guide, 80)
      .split('\n')
      .filter((line) => !code.includes(line))
    t.alike(
      prose.filter((line) => line.length > 80 || /\*\w|\w\*|\*\*|`|\]\(|^ *\|/.test(line)),
      []
    )
  })

  test(`${name} is a page without faults`, (t) => {
    const page = guidePage(name, guide, '0.0.0', new Date(0))
    t.ok(page.startsWith(`.\\" Made of src/guides/${name}.md\n.TH ${guidePageName(name).toUpperCase()} 7 `))
    for (const [checker, ...args] of checkers) {
      const { error, stdout, stderr } = spawnSync(checker, args, { input: page, encoding: 'utf8' })
      if (error === undefined) t.is(`${stdout}${stderr}`, '', checker)
      else t.comment(`Not checked: ${error.message}`)
    }
  })
}
