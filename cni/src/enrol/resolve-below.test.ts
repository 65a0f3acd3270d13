import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { resolveBelow } from './resolve-below.ts';

const root = mkdtempSync(join(tmpdir(), 'ambit-root-'));
after(() => rmSync(root, { recursive: true }));
mkdirSync(join(root, 'run/netns'), { recursive: true });
mkdirSync(join(root, 'var/lib'), { recursive: true });
writeFileSync(join(root, 'run/netns/cni-1'), '');
symlinkSync('/run', join(root, 'var/run'));
symlinkSync('../run', join(root, 'var/relative'));
symlinkSync('../../../../../etc', join(root, 'var/outside'));
symlinkSync('round', join(root, 'var/round'));
symlinkSync('/var/run/netns/cni-1', join(root, 'run/netns/link'));

const cases: readonly (readonly [string, string])[] = [
  ['/run/netns/cni-1', '/run/netns/cni-1'],
  ['/var/run/netns/cni-1', '/run/netns/cni-1'],
  ['/var/relative/netns/cni-1', '/run/netns/cni-1'],
  ['/var/run/netns/link', '/run/netns/link'],
  ['/var/run/netns/not-there', '/run/netns/not-there'],
  ['/var/lib/../run/./netns//cni-1', '/run/netns/cni-1'],
  ['/var/outside/passwd', '/etc/passwd'],
  ['/../../run', '/run'],
  ['/var/run', '/var/run'],
  ['run', '/run'],
  ['/', '/'],
];

for (const [path, expected] of cases) {
  test(`resolveBelow() finds ${path || 'nothing'} where a process with that root would`, () => {
    assert.equal(resolveBelow(root, path), join(root, expected));
  });
}

test('resolveBelow() ends on links that go round', () => {
  assert.ok(resolveBelow(root, '/var/round/x').startsWith(root));
});
