import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { MeshError } from './errors.ts';
import type { LineSink } from './line-sink.ts';
import { createRootLogger, type LogFormat, type RootLogger } from './root-logger.ts';

const TIME = '2030-01-01T00:00:00.000Z';

async function logInto(
  format: LogFormat,
  filter = 'debug',
): Promise<{ readonly logger: RootLogger; readonly lines: string[] }> {
  const lines: string[] = [];
  const sink: LineSink = {
    write: (line) => void lines.push(line),
    dropped: 0,
    flush: async () => {},
    flushSync: () => {},
  };
  return { logger: await createRootLogger({ format, filter, sink, clock: new ManualClock(), scope: 'agent' }), lines };
}

test('RootLogger writes one tab-separated text line with quoted strings and the scope of the child', async () => {
  const { logger, lines } = await logInto('text');
  logger
    .child({ scope: 'access', 'src.addr': '10.0.0.1:5' })
    .info('connection complete', { bytes_sent: 5, ok: true, gone: undefined });
  logger.warn('several\nlines\tof text');
  assert.deepEqual(lines, [
    `${TIME}\tinfo\taccess\tconnection complete\tsrc.addr="10.0.0.1:5" bytes_sent=5 ok=true\n`,
    `${TIME}\twarn\tagent\tseveral lines of text\n`,
  ]);
});

test('RootLogger writes JSON with level, time, scope and message', async () => {
  const { logger, lines } = await logInto('json');
  logger.child({ scope: 'xds', node: 'a' }).error('stream failed', { attempt: 2 });
  assert.deepEqual(JSON.parse(lines[0] ?? ''), {
    level: 'error',
    time: TIME,
    scope: 'xds',
    node: 'a',
    attempt: 2,
    message: 'stream failed',
  });
});

test('RootLogger shows an error with its code, data and chain of causes, but no secrets, in both formats', async () => {
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
  const error = new MeshError('dial-failed', 'dial failed', { cause, data: { address: '10.0.0.1', joinToken: 'abc' } });
  const key = '-----BEGIN PRIVATE KEY-----\nMIG';
  for (const format of ['text', 'json'] as const) {
    const { logger, lines } = await logInto(format);
    logger.error('failed', { error, token: 'abc', nested: { password: 'p', list: [{ privateKey: 'k' }] }, pem: key });
    const line = lines[0] ?? '';
    assert.match(line, /dial-failed/);
    assert.match(line, /10\.0\.0\.1/);
    assert.match(line, /ECONNREFUSED/);
    assert.doesNotMatch(line, /abc|"p"|"k"|MIG/);
    assert.equal(line.indexOf('\n'), line.length - 1);
  }
});

test('RootLogger survives cycles, deep and throwing values', async () => {
  const cycle: Record<string, unknown> = { name: 'a' };
  cycle['self'] = cycle;
  const throwing = Object.defineProperty({}, 'x', {
    enumerable: true,
    get: () => {
      throw new Error('no');
    },
  });
  for (const format of ['text', 'json'] as const) {
    const { logger, lines } = await logInto(format);
    logger.info('odd', {
      cycle,
      throwing,
      long: 'x'.repeat(100_000),
      bytes: new Uint8Array(9),
      when: new Date(Number.NaN),
    });
    assert.equal(lines.length, 1);
    assert.ok((lines[0] ?? '').length < 20_000);
    assert.match(lines[0] ?? '', /\[9 bytes\]/);
  }
});

test('RootLogger obeys its filter per scope, which can change at run time for existing children', async () => {
  const { logger, lines } = await logInto('text', 'info,access=off');
  const access = logger.child({ scope: 'access' });
  access.error('1');
  logger.debug('2');
  logger.setFilter('error,access=debug');
  access.debug('3');
  logger.warn('4');
  assert.equal(logger.filter, 'error,access=debug');
  logger.resetFilter();
  access.error('5');
  logger.info('6');
  assert.deepEqual(
    lines.map((line) => line.split('\t')[3]?.trim()),
    ['3', '6'],
  );
  assert.throws(() => logger.setFilter('loud'), RangeError);
});

test('RootLogger leaves out lines of which there are too many, by message and key, and says how many', async () => {
  const { logger, lines } = await logInto('text', 'info');
  const child = logger.child({ scope: 'grpc' });
  for (let i = 0; i < 10; i++) child.warn('caller refused', { attempt: i }, { limitBy: 'no-token' });
  for (let i = 0; i < 10; i++) child.warn('caller refused', { attempt: i });
  child.warn('caller refused', { attempt: 0 }, { limitBy: 'token-expired' });
  assert.deepEqual([lines.length, logger.suppressed], [16, 5]);
  logger.flushSync();
  assert.equal(lines.at(-1), `${TIME}\twarn\tgrpc\tcaller refused\tattempt=9 suppressed=5\n`);
});

test('RootLogger does not count lines that its filter keeps back anyway', async () => {
  const { logger, lines } = await logInto('text', 'error');
  for (let i = 0; i < 10; i++) logger.warn('caller refused', {}, { limitBy: 'no-token' });
  assert.deepEqual([lines, logger.suppressed], [[], 0]);
});
