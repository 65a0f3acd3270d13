import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Logger, silentLogger } from '@ambit/mesh/runtime';
import { type EnrolmentRecord, FileEnrolmentRecords } from './enrolment-records.ts';

function inDirectory(work: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'ambit-records-'));
  try {
    work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const record = (uid: string, inode: bigint): EnrolmentRecord => ({
  uid,
  namespace: 'shop',
  name: uid,
  netns: { device: 4n, inode },
});

test('FileEnrolmentRecords gives back what was put, in another process too, for nobody else to read', () => {
  inDirectory((directory) => {
    const path = join(directory, 'state', 'enrolled-pods.json');
    const records = new FileEnrolmentRecords(path, silentLogger);
    assert.deepEqual(records.all(), []);
    const large = 18_446_744_073_709_551_615n;
    const mirror = { ...record('b', large), kubeletUid: 'c' };
    for (const item of [record('a', 1n), record('b', 2n), mirror]) records.put(item);
    records.delete('a');
    records.delete('never there');
    assert.deepEqual(new FileEnrolmentRecords(path, silentLogger).all(), [mirror]);
    assert.deepEqual([statSync(path).mode & 0o777, statSync(join(directory, 'state')).mode & 0o777], [0o600, 0o700]);
  });
});

const broken: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['half a file', '{"format":1,"pods":[{"uid":"a"'],
  ['another format', '{"format":2,"pods":[]}'],
  ['no list', '{"format":1,"pods":{}}'],
  ['a pod without a namespace', '{"format":1,"pods":[{"uid":"a","name":"a","device":"1","inode":"2"}]}'],
  ['a number that is none', '{"format":1,"pods":[{"uid":"a","namespace":"n","name":"a","device":"x","inode":"2"}]}'],
  ['a list', '[]'],
  ['null', 'null'],
];

for (const [what, text] of broken) {
  test(`FileEnrolmentRecords sets a file with ${what} aside, says so and goes on`, () => {
    inDirectory((directory) => {
      const path = join(directory, 'enrolled-pods.json');
      writeFileSync(path, text);
      const errors: string[] = [];
      const logger: Logger = { ...silentLogger, error: (message) => errors.push(message) };
      const records = new FileEnrolmentRecords(path, logger);
      assert.deepEqual([records.all(), errors.length], [[], 1]);
      records.put(record('a', 1n));
      assert.deepEqual(readdirSync(directory).sort(), ['enrolled-pods.json', 'enrolled-pods.json.unreadable']);
      assert.equal(readFileSync(`${path}.unreadable`, 'utf8'), text);
      assert.deepEqual(new FileEnrolmentRecords(path, silentLogger).all(), [record('a', 1n)]);
    });
  });
}
