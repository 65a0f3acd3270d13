import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import type { JsonObject } from '../../testing/kind-examples.ts';
import { isValid } from '../../testing/schema-evaluator.ts';
import { AMBIT_API_VERSION } from '../labels.ts';
import { AMBIT_KINDS } from './custom-resource-definition.ts';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));

/** Every object of our own kinds in the examples and in the YAML blocks of the documentation, with its file. */
function published(): readonly (readonly [file: string, object: JsonObject])[] {
  const files = globSync(['examples/**/*.yaml', 'docs/**/*.md', '*.md'], { cwd: REPOSITORY }).sort();
  return files.flatMap((file) => {
    const content = readFileSync(`${REPOSITORY}${file}`, 'utf8');
    const texts = file.endsWith('.md')
      ? [...content.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => text)
      : [content];
    const objects = texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as unknown));
    return objects.filter(isOurs).map((object) => [file, object] as const);
  });
}

function isOurs(value: unknown): value is JsonObject {
  return Object(value).apiVersion === AMBIT_API_VERSION;
}

test('every manifest of the examples and the documentation is what the schemas allow', () => {
  const seen = new Set<string>();
  for (const [file, object] of published()) {
    const definition = AMBIT_KINDS.find(({ kind }) => kind === object['kind']);
    assert.ok(definition, `${file}: ${String(object['kind'])}`);
    assert.ok(isValid(definition.spec, object['spec']), `${file}: ${JSON.stringify(object)}`);
    seen.add(definition.kind);
  }
  assert.deepEqual(seen, new Set(AMBIT_KINDS.map(({ kind }) => kind)));
});
