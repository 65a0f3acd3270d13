/**
 * What mesh/src/kinds/schema gives: the custom resource definitions of the chart, and the tables of the reference page.
 */
import { AMBIT_KINDS, customResourceDefinition, type KindDefinition, type Schema } from '@ambit/mesh/kinds';
import { formatManifest } from '@ambit/mesh/manifests';

/** Holds nothing else. */
export const CRD_DIRECTORY = 'charts/ambit/files/crds';
export const REFERENCE_PAGE = 'docs/reference/policies.md';

const HEADER = '# Generated from mesh/src/kinds/schema by scripts/generate.ts; changes belong there.\n';
const END_MARK = '<!-- end of generated table -->';

/** Content by path of every generated definition. */
export function definitionFiles(): ReadonlyMap<string, string> {
  return new Map(
    AMBIT_KINDS.map((definition) => [
      `${CRD_DIRECTORY}/${definition.plural}.yaml`,
      HEADER + formatManifest(customResourceDefinition(definition)),
    ]),
  );
}

/** The reference page with the tables that belong in it. @throws Error when a table has no place. */
export function referencePage(page: string): string {
  return AMBIT_KINDS.reduce((text, definition) => {
    const mark = `<!-- generated table: ${definition.kind} -->`;
    const begin = text.indexOf(mark);
    const end = text.indexOf(END_MARK, begin);
    if (begin === -1 || end === -1) throw new Error(`${REFERENCE_PAGE} lacks ${mark} and ${END_MARK} after it`);
    return `${text.slice(0, begin)}${mark}\n${fieldTable(definition)}${text.slice(end)}`;
  }, page);
}

function fieldTable(definition: KindDefinition): string {
  const rows = fieldRows('spec', definition.spec);
  const names = `Short names: ${definition.shortNames.map((name) => `\`${name}\``).join(', ')}.`;
  return [names, '', '| field | value | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}

function fieldRows(path: string, schema: Schema): readonly string[] {
  if (schema.type === 'object') {
    const required = new Set(schema.required);
    return Object.entries(schema.fields).flatMap(([name, field]) => {
      const child = `${path}.${name}`;
      const needed = required.has(name) ? ', required' : '';
      const meaning = [field.description, ...fallbackOf(field)].join('; ').replaceAll('|', '\\|');
      return [`| \`${child}\` | ${valueOf(field)}${needed} | ${meaning} |`, ...fieldRows(child, field)];
    });
  }
  return schema.type === 'list' && schema.items.type === 'object' ? fieldRows(`${path}[]`, schema.items) : [];
}

function valueOf(schema: Schema): string {
  switch (schema.type) {
    case 'object':
      return 'object';
    case 'map':
      return `map of at most ${schema.entriesMax}`;
    case 'list': {
      const items = schema.items.type === 'object' ? 'objects' : schema.items.type === 'text' ? 'texts' : 'numbers';
      return `${schema.itemsMin === undefined ? 'up' : schema.itemsMin} to ${schema.itemsMax} ${items}`;
    }
    case 'text':
      return schema.values === undefined ? 'text' : schema.values.map((value) => `\`${value}\``).join(' or ');
    case 'integer':
      return `${schema.min} to ${schema.max}`;
    case 'boolean':
      return '`true` or `false`';
  }
}

function fallbackOf(schema: Schema): readonly string[] {
  return 'fallback' in schema && schema.fallback !== undefined ? [`default \`${schema.fallback}\``] : [];
}
