const enter = '\x1b[?1049h\x1b[?25l'
const leave = '\x1b[?25h\x1b[?1049l'

/** A whole terminal to draw on. What was on it before comes back at the end. */
export class Screen {
  readonly #stream = process.stdout
  #lines: readonly string[] = []
  #isOpen = true
  readonly #redraw = () => this.draw(this.#lines)
  readonly #atExit = () => this.close()

  constructor() {
    this.#stream.write(enter)
    this.#stream.on('resize', this.#redraw)
    // However the process ends, the terminal is as it was.
    process.once('exit', this.#atExit)
  }

  get columns(): number {
    return this.#stream.columns ?? 80
  }

  get rows(): number {
    return this.#stream.rows ?? 24
  }

  /** Draws these lines, none wider than the screen, from the top, as far as there is room. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return
    this.#lines = lines
    const shown = lines.slice(0, this.rows).map((line) => `${line}\x1b[K`)
    this.#stream.write(`\x1b[H${shown.join('\r\n')}\x1b[J`)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    process.off('exit', this.#atExit)
    this.#stream.off('resize', this.#redraw)
    this.#stream.write(leave)
  }
}
