/** What the demo's pictures and tables are drawn from; no I/O, so that tests compare whole screens. */
export interface TopologyPod {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly role: 'enrolled' | 'waypoint' | 'outside';
}

export interface TopologyHost {
  readonly name: string;
  readonly address: string;
  readonly pods: readonly TopologyPod[];
  /** Ambit processes on the host. */
  readonly processes: readonly string[];
}

export interface Palette {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly strong: (text: string) => string;
}

const ansi =
  (code: number) =>
  (text: string): string =>
    `\u001b[${code}m${text}\u001b[0m`;
const plain = (text: string): string => text;

/** Colours only where a person watches: `NO_COLOR` and pipes get plain text. */
export function createPalette(colour: boolean): Palette {
  if (!colour) return { good: plain, bad: plain, dim: plain, strong: plain };
  return { good: ansi(32), bad: ansi(31), dim: ansi(2), strong: ansi(1) };
}

/** Two hosts side by side with the link between them; fits 80 columns. */
export function drawTopology(hosts: readonly [TopologyHost, TopologyHost], palette: Palette): string {
  const boxes = hosts.map((host) => hostLines(host, palette));
  const width = Math.max(...boxes.flat().map(visibleWidth));
  const height = Math.max(...boxes.map((lines) => lines.length));
  const link = Math.floor(height / 2);
  const title = hosts.map((host) => pad(` ${host.name} ${palette.dim(host.address)}`, width + 4)).join('        ');
  const rows = [`  ${title.trimEnd()}`];
  rows.push(`  ┌${'─'.repeat(width + 2)}┐        ┌${'─'.repeat(width + 2)}┐`);
  for (let i = 0; i < height; i++) {
    const [left, right] = boxes.map((lines) => pad(lines[i] ?? '', width));
    rows.push(`  │ ${left} ${i === link ? '╞════════╡' : '│        │'} ${right} │`);
  }
  rows.push(`  └${'─'.repeat(width + 2)}┘        └${'─'.repeat(width + 2)}┘`);
  rows.push(
    `   ${markOf('enrolled', palette)} to be enrolled   ${markOf('waypoint', palette)} waypoint   ${markOf('outside', palette)} outside the mesh   ═ captured link`,
  );
  return rows.join('\n');
}

function markOf(role: TopologyPod['role'], palette: Palette): string {
  if (role === 'outside') return palette.dim('○');
  return palette.good(role === 'waypoint' ? '◆' : '●');
}

function hostLines(host: TopologyHost, palette: Palette): string[] {
  const nameWidth = Math.max(...host.pods.map((pod) => pod.namespace.length + pod.name.length + 1));
  const pods = host.pods.map((pod) => {
    const mark = markOf(pod.role, palette);
    return `${mark} ${pad(`${pod.namespace}/${pod.name}`, nameWidth)}  ${palette.dim(pod.address)}`;
  });
  return [...pods, '', ...host.processes.map((process) => palette.dim(process))];
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Columns as wide as their widest cell; a cell may hold colour codes. */
export function drawTable(columns: readonly Column[], rows: readonly (readonly string[])[], palette: Palette): string {
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...rows.map((row) => visibleWidth(row[i] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    `  ${columns.map((column, i) => pad(cells[i] ?? '', widths[i] ?? 0, column.align)).join('  ')}`.trimEnd();
  return [palette.dim(line(columns.map((column) => column.title))), ...rows.map(line)].join('\n');
}

/** Between words, but not between a number and its unit. */
const BREAKS = /(?<!\d(?= (?:%|s|ms|MB)(?!\w))) /;

/** Breaks `text` between words so that no line is wider than `width`, unless a single word is. */
export function wrap(text: string, width: number, firstIndent: string, furtherIndent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(BREAKS)) {
    const indent = lines.length === 0 ? firstIndent : furtherIndent;
    if (line !== '' && visibleWidth(`${indent}${line} ${word}`) > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push((lines.length === 0 ? firstIndent : furtherIndent) + line);
  return lines.join('\n');
}

function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - visibleWidth(text)));
  return align === 'left' ? text + blanks : blanks + text;
}

function visibleWidth(text: string): number {
  // Colour codes take no columns; every character the demo prints is one column wide.
  let width = 0;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) === 27) {
      i = text.indexOf('m', i);
      continue;
    }
    width++;
  }
  return width;
}
