import { createPalette, type Palette, wrap } from './screen.ts';

/** Where the demo speaks: one place that knows time, colour and width. */
export class Stage {
  readonly palette: Palette;
  /** Columns of the terminal; wide where nobody looks. */
  readonly width: number;
  readonly #write: (text: string) => void;
  readonly #startMs = performance.now();
  #failures = 0;
  #checks = 0;

  constructor(write: (text: string) => void, colour: boolean, width: number) {
    this.width = width;
    this.#write = write;
    this.palette = createPalette(colour);
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  get failures(): number {
    return this.#failures;
  }

  get checks(): number {
    return this.#checks;
  }

  /** Heading of an act. */
  act(title: string): void {
    this.line(`\n${this.palette.strong(wrap(title, this.width, '', '   '))}`);
  }

  /** A step of the preparation, with the time since the start. */
  step(what: string): void {
    const seconds = `${this.elapsedSeconds.toFixed(1)} s`;
    this.line(`  ${this.palette.dim(seconds.padStart(6))}  ${what}`);
  }

  /** A statement that the demo has just verified; a false one makes the demo fail. */
  check(holds: boolean, what: string): void {
    this.#checks++;
    if (!holds) this.#failures++;
    this.say(`${holds ? this.palette.good('✓') : this.palette.bad('✗ NOT TRUE:')} ${what}`);
  }

  /** What goes on now, said before seconds pass in which nothing else is to be seen. */
  doing(what: string): void {
    this.say(`${this.palette.dim('…')} ${what}`);
  }

  /** A sentence, broken between words where the terminal is too narrow for it. */
  say(text: string): void {
    this.line(wrap(text, this.width, '  ', '    '));
  }

  line(text: string): void {
    this.#write(`${text}\n`);
  }
}
