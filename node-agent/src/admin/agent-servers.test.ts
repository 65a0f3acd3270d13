import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parseListenAddress } from '@ambit/mesh/model';
import { type Clock, silentLogger, systemClock } from '@ambit/mesh/runtime';
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

test('AgentServers: who ends while it waits for addresses waits no longer, and leaves none of them open', async () => {
  await using holder = net.createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const anywhere = parseListenAddress('127.0.0.1:0');
  const config = { adminAddress: anywhere, metricsAddress: anywhere, readinessAddress: anywhere };
  const waiting = Promise.withResolvers<void>();
  const sleep: Clock['sleep'] = (delayMs, signal) => {
    waiting.resolve();
    return systemClock.sleep(delayMs * 1000, signal);
  };
  const said: string[] = [];
  const logger = { ...silentLogger, error: (message: string) => void said.push(message) };
  const sections = { admin: [], metrics: [], readiness: [] };
  const options = { config, sections, clock: { ...systemClock, sleep }, logger, release: null };
  const { servers, addresses } = await AgentServers.open(options);
  config.metricsAddress = parseListenAddress(`127.0.0.1:${port}`);
  config.adminAddress = parseListenAddress(`127.0.0.1:${addresses.admin.port}`);
  const reopened = servers.reopen();
  await waiting.promise;
  await servers[Symbol.asyncDispose]();
  await reopened;
  assert.deepEqual(said, []);
  await assert.rejects(fetch(`http://127.0.0.1:${addresses.admin.port}/`));
  await servers.reopen();
  await assert.rejects(fetch(`http://127.0.0.1:${addresses.admin.port}/`), 'it does not come back');
});
