import type { Assert } from 'brittle'

/** Asserts that `text` matches, and shows it if it doesn't. */
export function says(t: Assert, text: string, what: RegExp): void {
  const matches = what.test(text)
  t.ok(matches, `matches ${what}`)
  if (!matches) t.comment(JSON.stringify(text))
}
