import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MANIFEST_LIMITS } from './limits.ts';
import { EMPTY_FILE, keepLastGood, type ParsedFile, parseFile } from './parse-file.ts';
import { splitDocuments } from './split-documents.ts';

function parse(text: string, previous: ParsedFile = EMPTY_FILE): ParsedFile {
  return parseFile(text, previous, MANIFEST_LIMITS);
}

function pod(name: string, rest = ''): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ns}\n${rest}`;
}

function summary(file: ParsedFile): unknown {
  return {
    objects: [...file.objects].map(([key, { line }]) => `${key}:${line}`),
    problems: file.problems.map(({ line, reason, key }) => `${line}: ${reason}${key === undefined ? '' : ` (${key})`}`),
  };
}

test('splitDocuments cuts at document markers and keeps line numbers, comments and directives', () => {
  const text =
    '# head\n---\na: 1\nb: |\n  --- not a marker\n---   # comment\nc: 1\n---\n# only a comment\n--- {d: 1}\n---\n...\n%YAML 1.2\n---\ne: 1\n';
  assert.deepEqual(
    splitDocuments(text).map(({ text: part, line }) => [line, part.trim().split('\n')[0]]),
    [
      [2, '---'],
      [6, '---   # comment'],
      [10, '--- {d: 1}'],
      [12, '%YAML 1.2'],
    ],
  );
  assert.deepEqual(splitDocuments(''), []);
  assert.deepEqual(splitDocuments('\n\n# nothing\n---\n\n'), []);
  assert.deepEqual(
    splitDocuments('a: 1\r\n---\r\nb: 2\r\n').map(({ line }) => line),
    [1, 2],
  );
});

test('parseFile gives every good object of a file and tells line and reason of the broken ones', () => {
  const text = [
    pod('a'),
    `---\n${pod('b', 'spec:\n  hostNetwork: 5\n')}`,
    `---\n${pod('c', 'spec: [\n')}`,
    `---\n${pod('d')}`,
  ].join('');
  assert.deepEqual(summary(parse(text)), {
    objects: ['Pod/ns/a:1', 'Pod/ns/d:16'],
    problems: [
      '9: spec.hostNetwork must be true or false but is 5 (Pod/ns/b)',
      '15: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  });
});

test('parseFile reads JSON, lists and merge keys', () => {
  const json = JSON.stringify({
    kind: 'List',
    apiVersion: 'v1',
    items: [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } }],
  });
  assert.deepEqual(summary(parse(json)), { objects: ['Node//n:1'], problems: [] });
  const list = `apiVersion: v1\nkind: PodList\nitems:\n- ${pod('a').replaceAll('\n', '\n  ').trim()}\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: B}\n`;
  assert.deepEqual(summary(parse(list)), {
    objects: ['Pod/ns/a:4'],
    problems: [
      '9: metadata.name must be a name of lower-case letters, digits, "-" and ".", at most 253 long but is "B"',
    ],
  });
  const merged =
    'apiVersion: v1\nkind: Pod\nmetadata: &m {name: a, namespace: ns}\nspec: {nodeName: n}\nextra: {<<: *m}\n';
  assert.deepEqual(summary(parse(merged)), { objects: ['Pod/ns/a:1'], problems: [] });
});

test('parseFile ignores kinds of others and reports what is no object', () => {
  assert.deepEqual(summary(parse('apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n')), {
    objects: [],
    problems: [],
  });
  assert.deepEqual(summary(parse('just text\n')), {
    objects: [],
    problems: ['1: the document must be an object but is "just text"'],
  });
  assert.deepEqual(summary(parse('a: 1\nb: 2\na: 3\n')), {
    objects: [],
    problems: ['3: key "a" is there twice'],
  });
});

test('parseFile reports an object that is there twice; the first counts', () => {
  const file = parse(`${pod('a')}---\n${pod('a', 'spec: {nodeName: n}\n')}`);
  assert.deepEqual(summary(file), {
    objects: ['Pod/ns/a:1'],
    problems: ['5: Pod/ns/a is already defined at line 1 of this file (Pod/ns/a)'],
  });
});

test('parseFile survives bombs of aliases, depth and size with a problem', () => {
  const anchors = ['a0: &a0 [x,x,x,x,x,x,x,x,x]'];
  for (let i = 1; i < 10; i++)
    anchors.push(`a${i}: &a${i} [${Array.from({ length: 9 }, () => `*a${i - 1}`).join(',')}]`);
  const bombs: [string, RegExp][] = [
    [`${anchors.join('\n')}\n`, /alias/i],
    [`a: ${'['.repeat(100_000)}`, /YAML/],
    [`a: "${'x'.repeat(MANIFEST_LIMITS.documentBytesMax)}"`, /larger than/],
    [Array.from({ length: 100_000 }, (_, index) => `k${index}: 1`).join('\n'), /apiVersion/],
  ];
  for (const [text, expected] of bombs) {
    // Processor time: how busy the machine is must not decide.
    const begun = process.cpuUsage();
    const file = parse(text);
    assert.equal(file.objects.size, 0);
    assert.match(file.problems[0]?.reason ?? '', expected);
    const { user, system } = process.cpuUsage(begun);
    assert.ok(user + system < 10_000_000, 'takes seconds at most');
  }
});

test('parseFile parses only the documents that changed, so that the others stay the same values', () => {
  const first = parse(`${pod('a')}---\n${pod('b')}`);
  const second = parse(`${pod('x')}---\n${pod('new')}---\n${pod('b')}`, first);
  assert.equal(second.objects.get('Pod/ns/b')?.object, first.objects.get('Pod/ns/b')?.object);
  assert.equal(second.objects.get('Pod/ns/b')?.line, 9);
});

test('keepLastGood keeps a broken object, and every missing one when a broken document could be any of them', () => {
  const before = parse(`${pod('a')}---\n${pod('b')}---\n${pod('c')}`);
  const kept = (text: string): unknown => [...keepLastGood(before.objects, parse(text, before)).keys()].toSorted();
  assert.deepEqual(
    kept(`${pod('a')}---\n${pod('b', 'spec: 5\n')}`),
    ['Pod/ns/a', 'Pod/ns/b'],
    'b is broken, c was removed',
  );
  assert.deepEqual(
    kept(`${pod('a')}---\n${pod('b', 'spec: [\n')}`),
    ['Pod/ns/a', 'Pod/ns/b', 'Pod/ns/c'],
    'nobody knows which',
  );
  assert.deepEqual(kept(pod('a')), ['Pod/ns/a'], 'nothing is broken');
});
