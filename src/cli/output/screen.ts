const enter = '\x1b[?1049h\x1b[?25l'
const leave = '\x1b[?25h\x1b[?1049l'

const columnsDefault = 80
const rowsDefault = 24

/** Draws on a whole terminal, and gives back its earlier contents at the end. */
export class Screen {
  readonly #stream = process.stdout
  #lines: readonly string[] = []
  #isOpen = true
  readonly #redraw = () => this.draw(this.#lines)
  readonly #atExit = () => this.close()

  constructor() {
    this.#stream.write(enter)
    this.#stream.on('resize', this.#redraw)
    // Restores the terminal even when the process ends by process.exit.
    process.once('exit', this.#atExit)
  }

  get columns(): number {
    return this.#stream.columns ?? columnsDefault
  }

  get rows(): number {
    return this.#stream.rows ?? rowsDefault
  }

  /** Draws lines from the top, as many as fit. No line may be wider than the screen. */
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
