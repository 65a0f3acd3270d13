import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parseListenAddress } from '@ambit/mesh/model';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { AgentServers } from './agent-servers.ts';

test('AgentServers: who takes the addresses back waits for the one who still has them', async () => {
  await using holder = net.createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const held = parseListenAddress(`127.0.0.1:${port}`);
  const anywhere = parseListenAddress('127.0.0.1:0');
  const config = { adminAddress: held, metricsAddress: anywhere, readinessAddress: anywhere };
  let waits = 0;
  const sleep = async (): Promise<void> => {
    waits++;
    if (waits === 3) await promisify(holder.close.bind(holder))();
  };
  const sections = { admin: [], metrics: [], readiness: [] };
  const options = { config, sections, clock: { ...systemClock, sleep }, logger: silentLogger, release: null };
  await assert.rejects(AgentServers.open(options), { code: 'EADDRINUSE' });
  assert.equal(waits, 0, 'a stranger is not waited for');

  config.adminAddress = anywhere;
  const { servers } = await AgentServers.open(options);
  await using _servers = servers;
  config.adminAddress = held;
  await servers.reopen();
  assert.equal(waits, 3);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
});
