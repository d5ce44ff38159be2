/** A text of a shell as it is to be: backslashes stand for themselves, and `$\{` for `${`. */
export function script(text: TemplateStringsArray): string {
  return String.raw(text).replaceAll('$\\{', '${')
}

/** A word that bash and zsh take literally. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
