/** A text of shell code, in which backslashes stand for themselves, and `$\{` for `${`. */
export function script(text: TemplateStringsArray): string {
  return String.raw(text).replaceAll('$\\{', '${')
}

/** A word in quotes, which bash and zsh take literally. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
