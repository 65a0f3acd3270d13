import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { createTestCa } from '@ambit/mesh/testing';
import { runCommand } from '../host/command.ts';

const PROGRAM = join(import.meta.dirname, 'intruder-main.ts');

type Answer = 'h2-accepts' | 'h2-forbids' | 'h2-resets' | 'bytes-answers' | 'bytes-closes';

/** Runs the program against a server that answers in one way, and returns what it told. */
async function outcome(answer: Answer): Promise<string> {
  await using scope = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'ambit-intruder-'));
  scope.defer(() => rm(directory, { recursive: true, force: true }));
  const ca = createTestCa();
  const leaf = ca.issueCertificate({ altNames: [{ kind: 'uri', value: 'spiffe://cluster.local/ns/a/sa/b' }] });
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  const secure = { key: leaf.privateKeyPem, cert: leaf.chainPem, ca: ca.rootPem, requestCert: true };
  const server = answer.startsWith('h2') ? http2.createSecureServer(secure) : tls.createServer(secure);
  server.on('error', () => {});
  const sessions = new Set<tls.TLSSocket>();
  server.on('secureConnection', (socket: tls.TLSSocket) => {
    sessions.add(socket.on('error', () => {}));
    if (answer === 'bytes-answers') socket.once('data', () => socket.write('hello'));
    if (answer === 'bytes-closes') socket.once('data', () => socket.end());
  });
  server.on('stream', (stream: http2.ServerHttp2Stream) => {
    stream.on('error', () => {});
    if (answer === 'h2-resets') stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    else stream.respond({ ':status': answer === 'h2-accepts' ? 200 : 403 });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  scope.defer(async () => {
    for (const socket of sessions) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address() as AddressInfo;
  const args = [PROGRAM, '127.0.0.1', String(address.port), '8080'];
  args.push(
    await file('cert.pem', leaf.chainPem),
    await file('key.pem', leaf.privateKeyPem),
    await file('ca.pem', ca.rootPem),
  );
  return (await runCommand(process.execPath, args, { timeoutMs: 10_000 })).trim();
}

test('the intruder tells whether a tunnel or plain TLS let it in', async () => {
  const table: readonly (readonly [Answer, string])[] = [
    ['h2-accepts', 'admitted'],
    ['h2-forbids', 'refused'],
    ['h2-resets', 'refused'],
    ['bytes-answers', 'admitted'],
    ['bytes-closes', 'refused'],
  ];
  const told = await Promise.all(table.map(async ([answer]) => [answer, await outcome(answer)]));
  assert.deepEqual(told, table);
});
