import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { checkLeaks } from '@ambit/mesh/testing';
import { USAGE } from '../src/config.ts';
import { ask, ControllerWorld } from './controller-world.ts';

checkLeaks();

const REFERENCE = new URL('../../docs/reference/controller.md', import.meta.url);

function sorted(names: Iterable<string>): readonly string[] {
  return [...new Set(names)].toSorted();
}

test('the reference names exactly the metrics that the controller has', async () => {
  await using world = await ControllerWorld.create();
  await using app = await world.start();
  const scrape = await ask(app.ports.metrics, '/metrics');
  const served = [...scrape.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1] ?? '');
  const metrics = (await readFile(REFERENCE, 'utf8')).split('## Metrics')[1] ?? '';
  const documented = [...metrics.matchAll(/`((?:ambit|process)_\w+)`/g)].map((match) => match[1] ?? '');
  assert.deepEqual(sorted(documented), sorted(served));
});

test('the reference and --help name the same options and variables', async () => {
  const reference = await readFile(REFERENCE, 'utf8');
  const wordsOf = (text: string): readonly string[] => sorted(text.match(/--[a-z]{4,}|AMBIT_[A-Z_]*[A-Z]/g) ?? []);
  const everywhere = ['--help', '--version'];
  assert.deepEqual(
    wordsOf(reference).filter((word) => !everywhere.includes(word)),
    wordsOf(USAGE).filter((word) => !everywhere.includes(word)),
  );
});
