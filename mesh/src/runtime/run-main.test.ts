import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

const RUN_MAIN = new URL('./run-main.ts', import.meta.url).href;
const ENVIRONMENT = new URL('./environment.ts', import.meta.url).href;
const LOCAL_CONFIG = new URL('./local-config.ts', import.meta.url).href;

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a process whose main function has this body. `onOutput` sees what it printed so far. */
async function run(
  body: string,
  args: readonly string[] = [],
  onOutput?: (out: string, kill: (signal: NodeJS.Signals) => void) => void,
  nodeVersion: string = process.versions.node,
): Promise<Outcome> {
  const script = `import { runMain, UsageError } from '${RUN_MAIN}'; import { EnvironmentReader } from '${ENVIRONMENT}';
    import { LocalRecord } from '${LOCAL_CONFIG}';
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${nodeVersion}' } });
    await runMain({ name: 'demo', version: '1.2.3', usage: 'Usage: demo', run: async (context) => { ${body} } });`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script, '--', 'main.ts', ...args], {
    env: { ...process.env, AMBIT_ODD: '1', NODE_OPTIONS: '' },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    onOutput?.(out, (signal) => child.kill(signal));
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}

test('runMain answers --help and --version without running', async () => {
  assert.deepEqual(await run('context.print("ran")', ['--help']), { code: 0, out: 'Usage: demo\n', err: '' });
  assert.deepEqual(await run('context.print("ran")', ['--version']), { code: 0, out: 'demo 1.2.3\n', err: '' });
});

test('runMain exits with the code that run gives', async () => {
  assert.deepEqual(await run('context.print(context.args.join("+")); return 3;', ['a', 'b']), {
    code: 3,
    out: 'a+b\n',
    err: '',
  });
  assert.equal((await run('')).code, 0);
});

test('runMain reports wrong usage and wrong configuration with exit code 2', async () => {
  const usage = await run('throw new UsageError("--x is missing")');
  assert.deepEqual(usage, { code: 2, out: '', err: '--x is missing\n\nUsage: demo\n' });
  const environment = await run('new EnvironmentReader(context.environment).refuseUnknown()');
  assert.equal(environment.code, 2);
  assert.match(
    environment.err,
    /^demo: AMBIT_ODD: an environment variable is not known, perhaps misspelt; expected one of/,
  );
  const value = await run('new EnvironmentReader(context.environment).boolean("AMBIT_ODD")');
  assert.equal(
    value.err,
    'demo: AMBIT_ODD: an environment variable has a value that is not usable ("1"); expected one of true, false\n',
  );
  assert.deepEqual(await run("new LocalRecord('$', { route: [] }, ['routes'])"), {
    code: 2,
    out: '',
    err: 'demo: AMBIT_LOCAL_CONFIG: the local configuration cannot be used; $.route: expected one of routes\n',
  });
  const broken = await run("LocalRecord.ofText('{', [])");
  assert.equal(broken.code, 2);
  assert.match(
    broken.err,
    /^demo: AMBIT_LOCAL_CONFIG: the local configuration cannot be used; \$: [^\n]*JSON[^\n]*\n$/,
  );
});

test('runMain names the Node it needs when an older one runs it', async () => {
  const outcome = await run('context.print("ran")', [], undefined, '20.1.0');
  assert.deepEqual([outcome.code, outcome.out], [2, '']);
  assert.match(outcome.err, /^demo needs Node 24, but this is 20\.1\.0: .*node_modules\/\.bin\/node\n$/);
});

test('runMain dies loudly of failures and of unhandled rejections, after the fatal callbacks', async () => {
  const failure = await run('throw new Error("no port")');
  assert.equal(failure.code, 1);
  assert.match(failure.err, /process failed.*no port/);
  const rejection = await run(
    'context.onFatal(() => console.log("flushed")); void Promise.reject(new Error("lost")); await new Promise((r) => setTimeout(r, 5000));',
  );
  assert.deepEqual([rejection.code, rejection.out], [70, 'flushed\n']);
  assert.match(rejection.err, /unhandled rejection.*lost/);
});

test('runMain aborts its signal on SIGTERM and ends at once on a second one', async () => {
  const orderly = await run(
    'setTimeout(() => {}, 20_000); context.print("up"); await new Promise((r) => context.signal.addEventListener("abort", r)); context.print("stopping"); return 4;',
    [],
    (out, kill) => {
      if (out === 'up\n') kill('SIGTERM');
    },
  );
  assert.deepEqual(orderly, { code: 4, out: 'up\nstopping\n', err: '' });
  const stuck = await run(
    'context.signal.addEventListener("abort", () => context.print("first")); setTimeout(() => {}, 20_000); context.print("up"); await new Promise(() => {});',
    [],
    (out, kill) => kill(out.includes('first') ? 'SIGINT' : 'SIGTERM'),
  );
  assert.deepEqual([stuck.code, stuck.out], [130, 'up\nfirst\n']);
});
