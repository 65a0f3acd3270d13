import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnvironment, EnvironmentError, EnvironmentReader, parseDurationMs } from './environment.ts';

function reader(variables: Record<string, string>): EnvironmentReader {
  return new EnvironmentReader(createEnvironment(variables));
}

test('EnvironmentReader gives typed values and falls back when a variable is absent or empty', () => {
  const source = reader({ T: 'text', U: 'other', N: '7', B: 'false', D: '1.5s', L: ' a, b ,,c', E: '', M: 'two' });
  assert.deepEqual(
    {
      text: source.text('T', 'fallback'),
      required: source.required('U', 'a name'),
      number: source.integer('N', { min: 1, max: 9 }),
      boolean: source.boolean('B', true),
      durationMs: source.durationMs('D'),
      list: source.list('L', 'letters', (item) => item.toUpperCase()),
      oneOf: source.oneOf('M', ['one', 'two']),
      empty: source.text('E', 'fallback'),
      absent: source.integer('ABSENT', { min: 0, max: 5 }, 3),
      optional: source.optional('ABSENT'),
    },
    {
      text: 'text',
      required: 'other',
      number: 7,
      boolean: false,
      durationMs: 1500,
      list: ['A', 'B', 'C'],
      oneOf: 'two',
      empty: 'fallback',
      absent: 3,
      optional: undefined,
    },
  );
});

test('EnvironmentReader names variable, value and expectation of what it refuses', () => {
  const source = reader({ N: '70', B: 'yes', D: '5 minutes', M: 'three' });
  const cases: [() => unknown, string, Record<string, unknown>][] = [
    [() => source.required('GONE', 'a name'), 'environment-missing', { variable: 'GONE', expected: 'a name' }],
    [
      () => source.integer('N', { min: 1, max: 9 }),
      'environment-invalid',
      { variable: 'N', value: '70', expected: 'a whole number from 1 to 9' },
    ],
    [() => source.boolean('B'), 'environment-invalid', { variable: 'B', value: 'yes', expected: 'one of true, false' }],
    [
      () => source.durationMs('D'),
      'environment-invalid',
      { variable: 'D', value: '5 minutes', expected: 'a duration such as 500ms, 5s, 10m, 24h' },
    ],
    [
      () => source.oneOf('M', ['one', 'two']),
      'environment-invalid',
      { variable: 'M', value: 'three', expected: 'one of one, two' },
    ],
  ];
  for (const [read, code, data] of cases) {
    assert.throws(read, (error) => {
      assert.ok(error instanceof EnvironmentError);
      assert.deepEqual({ code: error.code, data: error.data }, { code, data });
      return true;
    });
  }
});

test('EnvironmentReader refuses variables with our prefix that nobody read, and only those', () => {
  const source = reader({ AMBIT_NODE: 'a', AMBIT_NODDE: 'b', PATH: '/bin' });
  source.text('AMBIT_NODE', '');
  assert.throws(
    () => source.refuseUnknown(),
    (error) =>
      error instanceof EnvironmentError &&
      error.code === 'environment-unknown' &&
      error.data['variable'] === 'AMBIT_NODDE',
  );
  source.optional('AMBIT_NODDE');
  source.refuseUnknown();
});

test('parseDurationMs reads every unit and nothing else', () => {
  const good: [string, number][] = [
    ['0s', 0],
    ['250ms', 250],
    ['5s', 5000],
    ['2m', 120_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['0.5s', 500],
  ];
  for (const [text, expected] of good) assert.equal(parseDurationMs(text), expected, text);
  for (const text of ['', '5', '-5s', '5S', 's', '1e3s', '5s '])
    assert.throws(() => parseDurationMs(text), RangeError, text);
});
