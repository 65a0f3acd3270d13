import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { contextDigest, isInContext, parseContextRules } from './context.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RULES = parseContextRules('# all\n*\n!mesh\n!bench/package.json\n\n**/*.test.ts\n**/node_modules\n');

test('parseContextRules reads what .dockerignore says', () => {
  assert.deepEqual(RULES, { included: ['mesh', 'bench/package.json'], leftOut: ['.test.ts', '/node_modules'] });
});

test('parseContextRules refuses forms that would mean something else here than to a container engine', () => {
  for (const [text, message] of [
    ['!mesh\n*\n', /:1: "!mesh" must come after a line with \*/],
    ['*\n!mesh/*.ts\n', /:2: .*plain path/],
    ['*\n**/*.map\n!mesh\n', /:3: .*before lines with \*\*/],
    ['*\nmesh\n', /:2: "mesh" is not/],
  ] as const) {
    assert.throws(() => parseContextRules(text), message);
  }
});

for (const [path, expected] of [
  ['mesh/src/a.ts', true],
  ['mesh/src/a.test.ts', false],
  ['mesh/node_modules/x/index.js', false],
  ['mesher/a.ts', false],
  ['bench/package.json', true],
  ['bench/main.ts', false],
] as const) {
  test(`isInContext: ${path} is ${expected ? 'in' : 'out'}`, () => {
    assert.equal(isInContext(path, RULES), expected);
  });
}

test('.dockerignore names only what exists', () => {
  const { included } = parseContextRules(readFileSync(join(ROOT, '.dockerignore'), 'utf8'));
  assert.deepEqual(
    included.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
});

test('contextDigest follows the bytes of what is in, and nothing else', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ambit-context-'));
  try {
    writeFileSync(join(root, '.dockerignore'), '*\n!in.ts\n');
    writeFileSync(join(root, 'in.ts'), 'a');
    const first = await contextDigest(root, '');
    writeFileSync(join(root, 'out.ts'), 'a');
    assert.equal(await contextDigest(root, ''), first);
    assert.notEqual(await contextDigest(root, 'other'), first);
    writeFileSync(join(root, 'in.ts'), 'b');
    assert.notEqual(await contextDigest(root, ''), first);
  } finally {
    rmSync(root, { recursive: true });
  }
});
