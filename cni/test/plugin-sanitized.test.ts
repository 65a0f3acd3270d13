import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { encodePluginAnswer } from '../src/plugin-server/plugin-message.ts';
import { BuiltPlugin, podCall, type PluginRun } from './built-plugin.ts';

// Compiled with the address and undefined-behaviour sanitizers: whatever comes in, it ends with a result or an error object.
const plugin = new BuiltPlugin('sanitized');
after(() => plugin[Symbol.dispose]());
const SOCKET = join(plugin.directory, 'cni.sock');
const LIST = join(plugin.directory, 'enrolment.list');
const CALL = podCall('ADD', { namespace: 'shop', name: 'cart' });
const SEED = 20_261_126;

const VALID = JSON.stringify({
  cniVersion: '1.0.0',
  agentSocket: SOCKET,
  enrolmentList: LIST,
  timeoutMs: 500,
  deep: [[[{ a: [1.5e-3, -0, true, false, null, '\u00e9\n"'] }]]],
  prevResult: { cniVersion: '1.0.0', ips: [{ address: '10.0.0.1/24' }] },
});

/** Mulberry32: the same inputs on every machine. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A few bytes changed, removed, doubled or cut off. */
function mutate(valid: Buffer, pick: (below: number) => number): Buffer {
  let bytes = Buffer.from(valid);
  for (let changes = 1 + pick(4); changes > 0 && bytes.length > 0; changes--) {
    const at = pick(bytes.length);
    const end = Math.min(bytes.length, at + 1 + pick(8));
    const kind = pick(4);
    if (kind === 0) bytes[at] = pick(256);
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    else bytes = bytes.subarray(0, at);
  }
  return bytes;
}

function checkEnd(run: PluginRun, what: string): void {
  assert.equal(run.errorOutput, '', what);
  assert.ok(run.code === 0 || run.code === 1, `${what}: ${run.code}`);
  if (run.code === 1) assert.equal(typeof (JSON.parse(run.output) as { code: unknown }).code, 'number', what);
}

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < items.length; i += 4) await Promise.all(items.slice(i, i + 4).map(work));
}

test('wrong configurations break nothing', async () => {
  writeFileSync(LIST, 'ambit-enrolment 1\nplain shop\nend\n', { mode: 0o600 });
  rmSync(SOCKET, { force: true });
  const pick = random(SEED);
  const bytes = Buffer.from(VALID);
  const made = [
    '',
    '{',
    '}',
    '{}',
    '[]',
    '"',
    '{"',
    '{"a',
    '{"a"',
    '{"a":',
    '{"a":"\\',
    '{"a":"\\u12',
    '{"a":-',
    '{"a":1e',
  ]
    .concat(['{"a":tru', '{"a":[', '{"a":[1,', '{"":1}', '\0', '{"a":"\0"}', '{"prevResult":{},"cniVersion":""}'])
    .concat(['['.repeat(70_000), '{"a":'.repeat(70_000), `{"cniVersion":"${'1'.repeat(5000)}"}`, ' '.repeat(40_000)])
    .map((text) => Buffer.from(text));
  const inputs = [...made, ...Array.from({ length: 120 }, () => mutate(bytes, pick))];
  await inBatches(inputs, async (input) =>
    checkEnd(await plugin.run(CALL, input), JSON.stringify(input.toString('latin1', 0, 400))),
  );
  assert.equal((await plugin.run(CALL, VALID)).code, 0);
});

test('wrong environments break nothing', async () => {
  const odd = [
    '',
    'a',
    ';',
    'K8S_POD_NAMESPACE',
    'K8S_POD_NAMESPACE=',
    `K8S_POD_NAMESPACE=${'x'.repeat(4000)}`,
    '%s%n',
    '\u{1f600}',
  ].concat(['K8S_POD_NAME=;;;K8S_POD_NAMESPACE=shop;', 'x'.repeat(5000), 'x'.repeat(4096), 'K8S_POD_NAMESPACE=\n"\\']);
  const calls = odd.flatMap((value) =>
    ['CNI_COMMAND', 'CNI_ARGS', 'CNI_NETNS', 'CNI_CONTAINERID', 'CNI_IFNAME'].map((name) => ({
      ...CALL,
      [name]: value,
    })),
  );
  await inBatches(calls, async (call) => checkEnd(await plugin.run(call, VALID), JSON.stringify(call).slice(0, 400)));
});

test('wrong enrolment lists break nothing', async () => {
  rmSync(SOCKET, { force: true });
  const pick = random(SEED);
  const valid = Buffer.from('ambit-enrolment 1\nplain public\nenrolled shop\nexcluded kube-system\nend\n');
  const lists = [Buffer.alloc(0), Buffer.from('\n'), Buffer.from('end'), Buffer.alloc(9 << 20, 'plain x\n')];
  for (const list of [...lists, ...Array.from({ length: 60 }, () => mutate(valid, pick))]) {
    writeFileSync(LIST, list, { mode: 0o600 });
    const run = await plugin.run(CALL, VALID);
    checkEnd(run, JSON.stringify(list.toString('latin1', 0, 200)));
    // The one line that could let the pod pass is in none of them.
    assert.equal(run.code, 1);
  }
});

test('wrong answers of the agent break nothing', async () => {
  writeFileSync(LIST, 'ambit-enrolment 1\nplain shop\nend\n', { mode: 0o600 });
  const pick = random(SEED);
  const whole = encodePluginAnswer({ code: 100, message: `\u00e9\u{1f600}"\\\t${'m'.repeat(100)}`, details: '\u0001' });
  let answer = whole;
  const server = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(answer)));
  await new Promise<void>((resolve) => server.listen(SOCKET, resolve));
  try {
    for (let i = 0; i < 60; i++) {
      answer = mutate(whole, pick);
      checkEnd(await plugin.run(CALL, VALID), answer.toString('latin1'));
    }
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
