import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const LEAK_CHECK = new URL('./leak-check.ts', import.meta.url).href;

/** Whether a test file with this body, run in a process of its own, reports a failure; and its output. */
function run(body: string): { readonly failed: boolean; readonly output: string } {
  const script = `import { test } from 'node:test'; import net from 'node:net'; import { once } from 'node:events';
    import { checkLeaks } from '${LEAK_CHECK}'; checkLeaks({ deadlineMs: 200 });
    test('subject', async () => { ${body} }); setTimeout(() => process.exit(process.exitCode ?? 0), 1500).unref();`;
  const args = ['--test-force-exit', '--input-type=module-typescript', '-e', script];
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const result = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  const output = result.stdout + result.stderr;
  return { failed: output.includes('failing tests'), output };
}

test('checkLeaks fails a file that leaves a server open and passes one that closes it', () => {
  const open = "const server = net.createServer().listen(0); await once(server, 'listening');";
  const leaky = run(open);
  assert.equal(leaky.failed, true, leaky.output);
  assert.match(leaky.output, /TCPServerWrap: 1/);
  const clean = run(`${open} setTimeout(() => server.close(), 50);`);
  assert.equal(clean.failed, false, clean.output);
});

test('checkLeaks fails a file that leaves a timer running', () => {
  const leaky = run('setInterval(() => {}, 1000);');
  assert.equal(leaky.failed, true, leaky.output);
  assert.match(leaky.output, /Timeout: 1/);
});
