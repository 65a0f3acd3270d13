import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fallbackOf, type Setting, settingLines } from './settings.ts';

const SETTINGS: readonly Setting[] = [
  { name: 'AMBIT_A', fallback: '', describe: 'First.' },
  { name: 'AMBIT_LONGER', fallback: '5s', describe: 'Second.', flag: 'longer' },
];

test('settingLines() aligns what settings mean, and tells defaults and options', () => {
  assert.deepEqual(settingLines(SETTINGS), [
    '  AMBIT_A       First.',
    '  AMBIT_LONGER  Second. Default 5s. Also --longer.',
  ]);
});

test('fallbackOf() is empty for what has no default or is unknown', () => {
  assert.deepEqual(
    ['AMBIT_A', 'AMBIT_LONGER', 'AMBIT_B'].map((name) => fallbackOf(SETTINGS, name)),
    ['', '5s', ''],
  );
});
