import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '../runtime/logger.ts';
import { createTestCa } from '../testing/test-ca.ts';
import { DELTA_DISCOVERY_PATH } from '../wire/discovery-messages.ts';
import { CREATE_CERTIFICATE_PATH } from './ca-client.ts';
import { callMetadata, CONTROLLER_SERVER_NAME, openChannel } from './controller-access.ts';
import { GrpcError } from './errors.ts';
import { MessageCall } from './message-call.ts';
import { JOIN_PATH, RENEW_PATH } from './node-identity-client.ts';
import { startGrpcServer } from './server.ts';

const SEED = 20261121;
const ca = createTestCa();
const certificate = ca.issueCertificate({ altNames: [{ kind: 'dns', value: CONTROLLER_SERVER_NAME }] });

test('a server answers arbitrary bytes with a status, logs no failure of its own and goes on', async () => {
  const failures: string[] = [];
  await using server = await startGrpcServer({
    host: '127.0.0.1',
    port: 0,
    tls: { ...certificate, clientRootsPem: ca.rootPem },
    services: {
      discovery: async (stream) => {
        for await (const request of stream.requests) assert.equal(typeof request.typeUrl, 'string');
      },
      // Whatever can be read is refused, so that only the server's own reading is tested.
      certificates: { createCertificate: () => Promise.reject(new GrpcError('permission-denied')) },
      nodes: {
        join: () => Promise.reject(new GrpcError('permission-denied')),
        renew: () => Promise.reject(new GrpcError('permission-denied')),
      },
    },
    logger: { ...silentLogger, error: (message) => void failures.push(message) },
  });
  const secrets = { rootsPem: ca.rootPem };
  const access = {
    address: `127.0.0.1:${server.port}`,
    serverName: CONTROLLER_SERVER_NAME,
    credentials: () => secrets,
  };
  const channel = openChannel(access, secrets);
  const metadata = await callMetadata(access);
  const codes = new Set<string>();
  const send = async (path: string, bytes: Uint8Array): Promise<void> => {
    const call = new MessageCall(channel, path, metadata, Date.now() + 10_000);
    try {
      await call.send(bytes);
      call.halfClose();
      codes.add((await call.receive()) === undefined ? 'ended' : 'answered');
    } catch (error) {
      assert.ok(error instanceof GrpcError);
      codes.add(error.code);
    } finally {
      call.cancel();
    }
  };
  const path = fc.constantFrom(DELTA_DISCOVERY_PATH, CREATE_CERTIFICATE_PATH, JOIN_PATH, RENEW_PATH, '/none/None');
  try {
    await fc.assert(fc.asyncProperty(path, fc.uint8Array({ maxLength: 300 }), send), { seed: SEED, numRuns: 400 });
    await send(DELTA_DISCOVERY_PATH, new Uint8Array());
  } finally {
    channel.close();
  }
  assert.deepEqual(failures, []);
  assert.deepEqual([...codes].toSorted(), ['ended', 'invalid-argument', 'permission-denied', 'unimplemented']);
});
