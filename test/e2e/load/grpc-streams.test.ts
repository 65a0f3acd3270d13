import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { until } from '@ambit/mesh/testing';
import { listenOn } from './backend-server.ts';
import type { StreamEnd, StreamObserver } from './echo-stream.ts';
import { openGrpcBackend } from './grpc-backend.ts';
import { GrpcStreams } from './grpc-streams.ts';

const SETTINGS = Buffer.from('000000040000000000', 'hex');
/** Of a server that takes no more, and has served all there was. */
const GOAWAY = Buffer.from('00000807000000000000000001' + '00000000', 'hex');

class Observed implements StreamObserver {
  readonly heard: string[] = [];
  end: StreamEnd | undefined;
  onConnected(): void {}
  onDisconnected(): void {}
  onMessage(text: string): void {
    this.heard.push(text);
  }
  onEnd(end: StreamEnd): void {
    this.end = end;
  }
}

test('a stream that the client itself holds back for a GOAWAY goes to the next connection, with what was said', async (t) => {
  const backend = await openGrpcBackend('backend', 0);
  const connections: Socket[] = [];
  let heardBytes = 0;
  // The first connection gets a server that only says goodbye, all others the backend.
  const server = createServer((socket) => {
    connections.push(socket.on('error', () => {}));
    if (connections.length > 1) {
      const onward = connect(backend.port, '127.0.0.1').on('error', () => {});
      socket.pipe(onward).pipe(socket);
      socket.on('close', () => onward.destroy());
    } else socket.on('data', (chunk) => (heardBytes += chunk.length)).write(SETTINGS);
  });
  const port = await listenOn(server, 0);
  const streams = new GrpcStreams({ host: '127.0.0.1', port }, 1, { opened: 0, closed: 0 });
  t.after(() => {
    streams.close();
    server.close();
    for (const socket of connections) socket.destroy();
    backend.cut();
  });
  const [served, moved] = [new Observed(), new Observed()];
  streams.open(served, false);
  await until('the first stream is there, and settings were answered', () => heardBytes > 100);
  // Within one turn: the goodbye arrives, and what was asked for before it leaves after it.
  await new Promise<void>((resolve) => {
    setTimeout(() => {
      connections[0]?.write(GOAWAY);
      const stream = streams.open(moved, false);
      stream.send('1');
      stream.send('2');
      stream.end();
      resolve();
    }, 1);
  });
  await until('it is over', () => moved.end !== undefined);
  assert.deepEqual([moved.end, moved.heard.map((text) => text.slice(0, 1))], ['orderly', ['1', '2']]);
  assert.equal(connections.length, 2);
});
