import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileBundles } from '../build.ts';
import { bundledPackages, licenseTexts } from './bundled-packages.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('bundledPackages and licenseTexts: what is in the node agent, and no package that is only used to build', async () => {
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, '.cache/bundled-packages-test-'));
  try {
    const metafile = await compileBundles(ROOT, ['node-agent', 'node-agent-worker'], relative(ROOT, folder));
    const packages = bundledPackages(ROOT, metafile);
    const names = packages.map(({ name }) => name);
    for (const name of ['@bufbuild/protobuf', '@grpc/grpc-js', 'koffi', 'node-forge', 'pino', 'prom-client']) {
      assert.ok(names.includes(name), name);
    }
    // Types and tools leave no code behind, and the node agent reads no manifests.
    for (const name of ['typescript', 'esbuild', '@types/node', 'yaml']) assert.ok(!names.includes(name), name);
    assert.deepEqual(
      packages.filter(({ version, license }) => !/^\d+\.\d+\.\d+/.test(version) || license === undefined),
      [],
    );
    const texts = licenseTexts(ROOT, packages);
    for (const { name, version } of packages) assert.ok(texts.includes(`\n${name} ${version}\n`), name);
    assert.match(texts, /Permission is hereby granted, free of charge/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
