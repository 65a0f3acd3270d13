/** Name of the plugin's program, and the `type` of its entry. */
export const PLUGIN_TYPE = 'ambit-cni';

/** Our entry in a list of plugins. */
export interface PluginEntry {
  readonly type: typeof PLUGIN_TYPE;
  readonly agentSocket: string;
  readonly enrolmentList: string;
  readonly timeoutMs: number;
}

/** Bytes `start` to `end` of a text. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The conflist `text` with our entry as its last plugin, and nothing else of it changed; the same text when it is there as it
 * should be, not first. `text` has to be a conflist with at least one plugin of somebody else.
 */
export function withPlugin(text: string, entry: PluginEntry): string {
  const ours = pluginSpans(text)
    .map((span, index) => ({ index, plugin: parse(text, span) }))
    .filter(({ plugin }) => isOurs(plugin));
  const [only] = ours;
  if (ours.length === 1 && only !== undefined && only.index > 0 && isEntry(only.plugin, entry)) return text;
  const bare = withoutPlugin(text);
  const spans = pluginSpans(bare);
  const last = spans.at(-1);
  if (last === undefined) throw new RangeError('a conflist without plugins');
  // As the author writes: what stands before the last entry goes before ours too.
  const before = spans.at(-2);
  const space =
    before === undefined ? spaceBefore(bare, last.start) : bare.slice(before.end, last.start).replace(',', '');
  return `${bare.slice(0, last.end)},${space}${JSON.stringify(entry)}${bare.slice(last.end)}`;
}

/** The conflist `text` without our entry: byte by byte what it was before `withPlugin`. */
export function withoutPlugin(text: string): string {
  for (;;) {
    const spans = pluginSpans(text);
    const index = spans.findIndex((span) => isOurs(parse(text, span)));
    const ours = spans[index];
    if (ours === undefined) return text;
    const before = spans[index - 1];
    const after = spans[index + 1];
    const cut =
      before === undefined
        ? { start: ours.start, end: after?.start ?? ours.end }
        : { start: before.end, end: ours.end };
    text = text.slice(0, cut.start) + text.slice(cut.end);
  }
}

/** Whether a plugin of a parsed conflist is ours. */
export function isOurs(plugin: unknown): boolean {
  return typeof plugin === 'object' && plugin !== null && 'type' in plugin && plugin.type === PLUGIN_TYPE;
}

/** Whether a plugin says exactly what `entry` does, in whichever order. */
function isEntry(plugin: unknown, entry: PluginEntry): boolean {
  const said = new Map<string, unknown>(Object.entries(Object(plugin)));
  const wanted = Object.entries(entry);
  return said.size === wanted.length && wanted.every(([name, value]) => said.get(name) === value);
}

function parse(text: string, span: Span): unknown {
  return JSON.parse(text.slice(span.start, span.end));
}

function spaceBefore(text: string, at: number): string {
  return /[ \t\r\n]*$/.exec(text.slice(0, at))?.[0] ?? '';
}

/** Where the elements of the top-level `plugins` are. `text` is valid JSON, an object. */
function pluginSpans(text: string): readonly Span[] {
  const scanner = new Scanner(text);
  let found: readonly Span[] = [];
  // Of members that appear twice the last one counts, as for JSON.parse.
  scanner.object((name) => {
    if (name === 'plugins' && scanner.peek() === '[') found = scanner.array();
    else scanner.value();
  });
  return found;
}

/** Walks over a text that JSON.parse accepts, keeping positions, which JSON.parse does not. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  peek(): string {
    while (/[ \t\r\n]/.test(this.#text.charAt(this.#at))) this.#at++;
    return this.#text.charAt(this.#at);
  }

  object(member: (name: string) => void): void {
    this.#list('}', () => {
      const name = this.#string();
      this.peek();
      this.#at++; // The colon.
      this.peek();
      member(name);
    });
  }

  array(): readonly Span[] {
    const spans: Span[] = [];
    this.#list(']', () => {
      const start = this.#at;
      this.value();
      spans.push({ start, end: this.#at });
    });
    return spans;
  }

  value(): void {
    const first = this.peek();
    if (first === '{') this.object(() => this.value());
    else if (first === '[') this.array();
    else if (first === '"') this.#string();
    else while (/[^\s,\]}]/.test(this.#text.charAt(this.#at))) this.#at++;
  }

  #list(close: string, item: () => void): void {
    this.peek();
    this.#at++;
    while (this.peek() !== close) {
      if (this.peek() === ',') this.#at++;
      this.peek();
      item();
    }
    this.#at++;
  }

  #string(): string {
    const start = this.#at++;
    while (this.#text.charAt(this.#at) !== '"') this.#at += this.#text.charAt(this.#at) === '\\' ? 2 : 1;
    this.#at++;
    return String(JSON.parse(this.#text.slice(start, this.#at)));
  }
}
