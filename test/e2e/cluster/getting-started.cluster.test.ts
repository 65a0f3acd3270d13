import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cluster, CLUSTER_VARIABLE, KIT } from './harness/cluster.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DOCUMENT = 'docs/getting-started.md';
const STEP_MS = 300_000;
/** As `examples/hello` names it; the nodes of tests pull nothing. */
const IMAGE = 'registry.k8s.io/e2e-test-images/agnhost:2.53';

const cluster = Cluster.fromEnvironment();
const bin = mkdtempSync(join(tmpdir(), 'ambit-getting-started-'));
after(() => rmSync(bin, { recursive: true, force: true }));
for (const program of ['kubectl', 'helm']) {
  const path = join(bin, program);
  const kit = `${CLUSTER_VARIABLE}=${cluster.name} exec '${join(KIT, 'cluster')}' ${program} "$@"`;
  writeFileSync(path, `#!/bin/sh\n${kit}\n`);
  chmodSync(path, 0o755);
}

interface Block {
  readonly line: number;
  readonly fails: boolean;
  readonly script: string;
}

/** What the document asks to be typed, in order; one whose fence says `fails` must fail. */
function shellBlocks(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```sh(?: (\w+))?\n([^]*?)^```$/gm)].map((match) => ({
    line: markdown.slice(0, match.index).split('\n').length,
    fails: match[1] === 'fails',
    script: match[2] ?? '',
  }));
}

test('a newcomer types the document from top to bottom', async (t) => {
  for (const node of cluster.nodes) {
    const images = await cluster.onNode(node, ['ctr', '-n', 'k8s.io', 'images', 'list', '-q']);
    const own = images.split('\n').find((name) => name.startsWith('kit.test/agnhost:'));
    assert.ok(own !== undefined, images);
    await cluster.onNode(node, ['ctr', '-n', 'k8s.io', 'images', 'tag', '--force', own, IMAGE]);
  }
  const outputs: string[] = [];
  for (const { line, fails, script } of shellBlocks(readFileSync(join(ROOT, DOCUMENT), 'utf8'))) {
    const began = performance.now();
    const done = spawnSync('sh', ['-ec', script], {
      cwd: ROOT,
      encoding: 'utf8',
      timeout: STEP_MS,
      env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` },
    });
    const said = `line ${line}: ${done.status}\n${done.stdout}${done.stderr}\n${script}`;
    assert.equal(done.status === 0, !fails, said);
    outputs.push(done.stdout);
    t.diagnostic(`${((performance.now() - began) / 1000).toFixed(1)} s  line ${line}`);
  }
  const output = outputs.join('');
  assert.equal(output.match(/^api-[a-z0-9]+-[a-z0-9]+$/gm)?.length, 3, output);
  assert.match(
    output,
    /src\.identity="spiffe:\/\/cluster\.local\/ns\/hello\/sa\/web".*dst\.identity="spiffe:\/\/cluster\.local\/ns\/hello\/sa\/api"/,
  );
  assert.match(
    output,
    /src\.identity="spiffe:\/\/cluster\.local\/ns\/hello\/sa\/intruder".*direction="inbound".*error=.*ALLOW/,
  );
  assert.match(output, /accesspolicy\.ambit\.dev\/api-callers +Allow +True +True +True/);
});
