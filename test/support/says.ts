import type { Assert } from 'brittle'

/** Asserts that `text` matches, and shows it if it doesn't. */
export function matches(t: Assert, text: string, what: RegExp): void {
  const isMatch = what.test(text)
  t.ok(isMatch, `matches ${what}`)
  if (!isMatch) t.comment(JSON.stringify(text))
}
