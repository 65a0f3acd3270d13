import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { platform } from 'node:os';
import { test } from 'node:test';

test('what the callback of a watch throws is an uncaught exception', { skip: platform() !== 'linux' }, () => {
  const { href } = new URL('./syscalls.ts', import.meta.url);
  const program = `
    import { libc, AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK } from '${href}';
    process.on('uncaughtException', (error) => { console.log('heard: ' + error.message); process.exit(7); });
    const fd = libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    libc().watch(fd, () => { throw new Error('of the callback'); }).want(false, true);
    setTimeout(() => process.exit(3), 10_000);`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=source', '--input-type=module', '--eval', program],
    { encoding: 'utf8', timeout: 20_000 },
  );
  assert.deepEqual([status, stdout.trim()], [7, 'heard: of the callback'], stderr);
});
