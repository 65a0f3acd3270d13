/**
 * What charts/ambit/values.schema.json gives: the chart's default values, with what they are for beside each, and the table of
 * values in the reference.
 */
export const CHART_PAGE = 'docs/reference/chart.md';
export const CHART_SCHEMA = 'charts/ambit/values.schema.json';
export const CHART_VALUES = 'charts/ambit/values.yaml';

const BEGIN_MARK = '<!-- generated table: values -->';
const END_MARK = '<!-- end of generated table -->';
const HEADER = '# Generated from values.schema.json by scripts/generate.ts; changes belong there.\n';
const COMMENT_WIDTH = 120;

/** As much of JSON Schema as ours uses. */
interface ValueSchema {
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, ValueSchema>>;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** One value that can be set, by its path: `controller.replicas`. */
interface Value {
  readonly path: readonly string[];
  readonly description: string;
  readonly fallback: string;
}

/** Helm adds it to every chart's values by itself. */
const NOT_OURS = 'global';

/** The page with the table of all values in its place. @throws Error when there is no place, or a value lacks a default or a description. */
export function chartPage(page: string, schemaText: string): string {
  const begin = page.indexOf(BEGIN_MARK);
  const end = page.indexOf(END_MARK, begin);
  if (begin === -1 || end === -1) throw new Error(`${CHART_PAGE} lacks ${BEGIN_MARK} and ${END_MARK} after it`);
  const rows = valuesOf(schemaText).map(({ path, description, fallback }) => {
    return `| \`${path.join('.')}\` | \`${fallback}\` | ${description.replaceAll('|', '\\|')} |\n`;
  });
  return `${page.slice(0, begin)}${BEGIN_MARK}\n| value | default | what |\n|---|---|---|\n${rows.join('')}${page.slice(end)}`;
}

/** values.yaml. Values are written as JSON, which is YAML too. */
export function chartValues(schemaText: string): string {
  let text = HEADER;
  let groups: readonly string[] = [];
  for (const { path, description, fallback } of valuesOf(schemaText)) {
    const own = path.slice(0, -1);
    own.forEach((group, depth) => {
      if (own.slice(0, depth + 1).join('.') === groups.slice(0, depth + 1).join('.')) return;
      text += `${depth === 0 ? '\n' : ''}${'  '.repeat(depth)}${group}:\n`;
    });
    groups = own;
    const indent = '  '.repeat(own.length);
    for (const line of wrap(description, COMMENT_WIDTH - indent.length - 2)) text += `${indent}# ${line}\n`;
    text += `${indent}${path.at(-1) ?? ''}: ${fallback}\n`;
  }
  return text;
}

function valuesOf(schemaText: string): readonly Value[] {
  const schema: ValueSchema = JSON.parse(schemaText);
  return leavesOf([], schema);
}

function leavesOf(path: readonly string[], schema: ValueSchema): readonly Value[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const child = [...path, name];
    if (name === NOT_OURS) return [];
    if (property.properties !== undefined) return leavesOf(child, property);
    if (property.description === undefined || property.default === undefined) {
      throw new Error(`${CHART_SCHEMA}: ${child.join('.')} needs a description and a default`);
    }
    return [
      {
        path: child,
        description: `${property.description}${bounds(property)}`,
        fallback: JSON.stringify(property.default),
      },
    ];
  });
}

function bounds({ enum: words, minimum, maximum }: ValueSchema): string {
  if (words !== undefined) return ` One of ${words.map((word) => `\`${word}\``).join(', ')}.`;
  return minimum === undefined ? '' : ` From ${minimum} to ${maximum}.`;
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length >= width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
