import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ControllerAccess,
  type GrpcServer,
  joinNode,
  type NodeCredentials,
  startGrpcServer,
} from '@ambit/mesh/grpc';
import { DEFAULT_TRUST_DOMAIN, type SpiffeId } from '@ambit/mesh/model';
import { type LogFields, type Logger, Metrics, silentLogger, systemClock } from '@ambit/mesh/runtime';
import { testIdentity } from '@ambit/mesh/testing';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import { type ControllerIdentity, type IdentityOptions, openIdentity } from '../src/identity/controller-identity.ts';
import { issueJoinToken } from '../src/identity/operator-commands.ts';

/** What runs on node n1. */
export const web: SpiffeId = testIdentity('shop', 'web');
/** Never aborted. */
export const signal: AbortSignal = new AbortController().signal;

export interface World extends AsyncDisposable {
  readonly identity: ControllerIdentity;
  readonly server: GrpcServer;
  readonly address: string;
  readonly path: string;
  /** `reason` of every warning so far. */
  readonly reasons: readonly unknown[];
  token(node: string, validityMs?: number): Promise<string>;
  join(token: string, node?: string): Promise<NodeCredentials>;
}

/** A controller's identity behind its real server: node n1 runs shop/web, nothing else runs anywhere. */
export async function startWorld(change: Partial<IdentityOptions> = {}): Promise<World> {
  const path = mkdtempSync(join(tmpdir(), 'ambit-identity-'));
  const reasons: unknown[] = [];
  const note = (_message: string, fields?: LogFields): void => void reasons.push(fields?.['reason']);
  const logger: Logger = { ...silentLogger, warn: note };
  const clock = change.clock ?? systemClock;
  const stateDirectory = join(path, 'controller');
  const identity = await openIdentity({
    stateDirectory,
    trustDomain: DEFAULT_TRUST_DOMAIN,
    workloadsByNode: {
      runsServiceAccount: (node, namespace, account) => `${node}/${namespace}/${account}` === 'n1/shop/web',
    },
    clock,
    logger,
    metrics: new Metrics(),
    ...change,
  });
  const { certificates, nodes = assert.fail('nodes join'), serverTls } = identity;
  const server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    tls: serverTls,
    services: {
      certificates,
      nodes,
      discovery: async (stream) => {
        await identity.authenticate(stream.peer);
        await once(stream.signal, 'abort');
      },
    },
    logger: silentLogger,
  });
  identity.onServerTls((tls) => server.updateTls(tls));
  const address = `127.0.0.1:${server.port}`;
  let joins = 0;
  return {
    identity,
    server,
    address,
    path,
    reasons,
    token: (node, validityMs) =>
      issueJoinToken({ stateDirectory, node, clock, ...(validityMs === undefined ? {} : { validityMs }) }),
    join: (token, node) =>
      joinNode({
        address,
        token,
        state: openPrivateDirectory(join(path, `node${joins++}`)),
        nowMs: 0,
        signal,
        ...(node === undefined ? {} : { node }),
      }),
    async [Symbol.asyncDispose]() {
      identity[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      rmSync(path, { recursive: true });
    },
  };
}

export function accessOf(world: World, credentials: NodeCredentials): ControllerAccess {
  return {
    address: world.address,
    serverName: 'controller.ambit.dev',
    credentials: () => credentials.controller,
  };
}
