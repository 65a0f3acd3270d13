import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { createCertificates } from '../l4/certificates.ts';
import type { BulkLoadOptions } from './bulk-load-main.ts';
import type { Http2LoadOptions } from './http2-load-main.ts';
import type { HttpLoadOptions } from './http-load-main.ts';
import type { HttpSinkOptions } from './http-sink-main.ts';
import type { HttpLoadResult } from './meter.ts';
import type { CertificateFiles, TunnelLoadOptions } from './tunnels.ts';

// The generators against the server, without a proxy between.

const MIB = 1024 * 1024;
let directory = '';
let sink: ChildProcess | undefined;
let files: CertificateFiles = { certificate: '', key: '', roots: '' };
let hbonePort = 0;

function command(program: string, options: object): string[] {
  return ['--conditions=source', join(import.meta.dirname, program), JSON.stringify(options)];
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ambit-loads-'));
  const { client, server, authority: roots } = await createCertificates(directory);
  files = { certificate: client.certificate, key: client.key, roots };
  hbonePort = await freePort();
  const options: HttpSinkOptions = {
    host: '127.0.0.1',
    hbonePort,
    plainPort: await freePort(),
    certificate: server.certificate,
    key: server.key,
    roots,
  };
  sink = spawn(process.execPath, command('http-sink-main.ts', options), { stdio: ['ignore', 'pipe', 'inherit'] });
  if (sink.stdout !== null) await once(sink.stdout, 'data');
});

after(async () => {
  sink?.kill();
  await rm(directory, { recursive: true });
});

function tunnels(connections: number): TunnelLoadOptions {
  const where = { host: '127.0.0.1', port: hbonePort, authority: '10.9.0.1:80' };
  return { ...where, ...files, connections, warmUpMs: 100, durationMs: 200 };
}

async function run(program: string, options: TunnelLoadOptions): Promise<HttpLoadResult> {
  const { stdout } = await promisify(execFile)(process.execPath, command(program, options), { timeout: 20_000 });
  const result: HttpLoadResult = JSON.parse(stdout);
  assert.equal(result.errors, 0);
  assert.ok(result.requests > 0);
  return result;
}

test('requests of HTTP/1.1 are answered', async () => {
  const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  const options: HttpLoadOptions = { ...tunnels(2), streams: 4, request };
  const { p50Us, p99Us } = await run('http-load-main.ts', options);
  assert.ok(p50Us > 0 && p99Us >= p50Us);
});

for (const [call, path] of [
  ['get', '/'],
  ['grpc', '/bench.Echo/Say'],
  ['grpc-stream', '/bench.Echo/stream'],
] as const) {
  test(`${call} over HTTP/2 is answered`, async () => {
    const messages = { messageBytes: 1024, messagesUnderWay: 4 };
    const fields = [['x-route', 'b']] as const;
    const options: Http2LoadOptions = {
      ...tunnels(2),
      ...messages,
      streams: 4,
      call,
      path,
      fields,
      requestAuthority: 'a',
    };
    await run('http2-load-main.ts', options);
  });
}

test('bodies are fetched and sent, one after the other', async () => {
  for (const direction of ['download', 'upload'] as const) {
    const request =
      direction === 'download'
        ? `GET /bytes/${MIB} HTTP/1.1\r\nHost: a\r\n\r\n`
        : `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${MIB}\r\n\r\n`;
    const options: BulkLoadOptions = { ...tunnels(1), direction, bodyBytes: MIB, request };
    const { requests } = await run('bulk-load-main.ts', options);
    assert.ok(requests > 2, `${requests} MiB`);
  }
});
