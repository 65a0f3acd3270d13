import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NetnsHandle, sameNetns } from '@ambit/mesh/linux';
import { parseIpAddress } from '@ambit/mesh/model';
import { rootTestOptions, TestNetns } from '@ambit/mesh/testing';
import { CniError } from '../errors.ts';
import { DirectoryNetnsFinder } from './netns-finder.ts';

const cart = { namespace: 'shop', name: 'cart' };
const addresses = (...texts: readonly string[]): ReturnType<typeof parseIpAddress>[] => texts.map(parseIpAddress);
const isCode = (code: string) => (error: unknown) =>
  error instanceof CniError && error.code === code && error.retryable;

test(
  'DirectoryNetnsFinder opens the namespace that holds an address of the pod, and no other',
  rootTestOptions(),
  async () => {
    await using netns = await TestNetns.create();
    netns.run('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'cable');
    netns.run('ip', 'address', 'add', '10.77.0.1/24', 'dev', 'eth0');
    netns.run('ip', 'address', 'add', 'fd00:77::1/64', 'dev', 'eth0', 'nodad');
    netns.run('ip', 'link', 'set', 'eth0', 'up');
    const directory = mkdtempSync(join(tmpdir(), 'ambit-finder-'));
    try {
      symlinkSync(netns.path, join(directory, 'shop-cart'));
      const finder = new DirectoryNetnsFinder(directory);
      using expected = NetnsHandle.open(netns.path);
      assert.ok(sameNetns(finder.identify(cart) ?? assert.fail('not identified'), expected.identity));
      for (const held of ['10.77.0.1', 'fd00:77::1']) {
        using found = finder.open(cart, addresses('10.77.0.200', held));
        assert.ok(sameNetns(found.identity, expected.identity));
      }
      const before = readdirSync('/proc/self/fd').length;
      for (const wrong of [[], ['127.0.0.1'], ['::1'], ['10.77.0.255'], ['10.77.0.0', 'fd00:77::2']]) {
        assert.throws(() => finder.open(cart, addresses(...wrong)), isCode('netns-mismatch'));
      }
      assert.equal(readdirSync('/proc/self/fd').length, before);
      assert.throws(() => finder.open({ namespace: 'shop', name: 'none' }, []), isCode('netns-not-found'));
      assert.equal(finder.identify({ namespace: 'shop', name: 'none' }), null);
      writeFileSync(join(directory, 'shop-file'), '');
      assert.throws(() => finder.open({ namespace: 'shop', name: 'file' }, addresses('10.77.0.1')));
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
