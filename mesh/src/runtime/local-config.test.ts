import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LocalConfigError, LocalRecord } from './local-config.ts';

const KEYS = ['name', 'items'];
const digits = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new RangeError('not digits');
  return Number(text);
};

test('a record gives texts, parsed texts and lists, each item with its path', () => {
  const record = LocalRecord.ofText('{"name":"7","items":["a","b"]}', KEYS);
  assert.equal(record.text('name'), '7');
  assert.equal(record.parsed('name', digits), 7);
  assert.deepEqual(
    record.list('items', (item, path) => [path, item]),
    [
      ['$.items[0]', 'a'],
      ['$.items[1]', 'b'],
    ],
  );
  assert.deepEqual(
    LocalRecord.ofText('{}', KEYS).list('items', () => 0),
    [],
  );
});

const refused: readonly (readonly [text: string, data: Readonly<Record<string, string>>])[] = [
  ['[]', { path: '$', expected: 'an object' }],
  ['null', { path: '$', expected: 'an object' }],
  ['{"nam":""}', { path: '$.nam', expected: 'one of name, items' }],
  ['{"name":""}', { path: '$.name', expected: 'a text' }],
  ['{"name":1}', { path: '$.name', expected: 'a text' }],
  ['{"name":"x"}', { path: '$.name', reason: 'not digits' }],
  ['{"name":"1","items":{}}', { path: '$.items', expected: 'a list' }],
  ['{"name":"1","items":["2","x"]}', { path: '$.items[1]', reason: 'not digits' }],
];

for (const [text, data] of refused) {
  test(`${text} is refused with the place and what is wrong`, () => {
    assert.throws(
      () => {
        const record = LocalRecord.ofText(text, KEYS);
        record.parsed('name', digits);
        record.list('items', (item) => digits(String(item)));
      },
      (error) => {
        assert.ok(error instanceof LocalConfigError);
        assert.deepEqual(error.data, data);
        return true;
      },
    );
  });
}

test('a PEM file that cannot be read is told with its place, its path and why', () => {
  const record = LocalRecord.ofText('{"name":"/nowhere/key.pem"}', KEYS);
  assert.equal(
    record.pemFile('name', (path) => `text of ${path}`),
    'text of /nowhere/key.pem',
  );
  assert.throws(
    () => record.pemFile('name', (path) => readFileSync(path, 'utf8')),
    (error) => {
      assert.ok(error instanceof LocalConfigError);
      assert.equal(error.data['path'], '$.name');
      assert.match(String(error.data['expected']), /^the path of a PEM file.*ENOENT.*'\/nowhere\/key\.pem'/);
      return true;
    },
  );
});

test('what is no JSON is refused with what the parser said', () => {
  assert.throws(
    () => LocalRecord.ofText('{', KEYS),
    (error) => error instanceof LocalConfigError && error.data['path'] === '$' && error.data['reason'] !== undefined,
  );
});
