import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type BackendServer, listenOn } from './backend-server.ts';
import { BODY_BYTES, NUMBER, SERVED_BY } from './check-answer.ts';

const ANSWER: Buffer = Buffer.alloc(1024, 'x');
/** HTTP/2 with prior knowledge. */
export async function openHttp2Backend(name: string, port: number): Promise<BackendServer> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => answer(name, String(headers[':path']), stream));
  const opened = await listenOn(server, port);
  return {
    port: opened,
    // GOAWAY with the last stream that is served. nghttp2 drops streams that cross one with a higher number, and Node has no other.
    farewell: () => {
      for (const session of sessions) if (!session.closed) session.close();
    },
    close: () => {
      const closed = [
        new Promise<void>((resolve) => server.close(() => resolve())),
        ...[...sessions].map((session) => new Promise<void>((resolve) => session.once('close', () => resolve()))),
      ];
      for (const session of sessions) if (!session.closed) session.close();
      return Promise.all(closed).then(() => {});
    },
    cut: () => {
      const count = sessions.size;
      for (const session of sessions) session.destroy();
      return count;
    },
  };
}

function answer(name: string, path: string, stream: ServerHttp2Stream): void {
  let bodyBytes = 0;
  stream.on('error', () => {});
  stream.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length;
  });
  stream.on('end', () => {
    if (stream.destroyed) return;
    stream.respond({
      ':status': 200,
      [SERVED_BY]: name,
      [NUMBER]: path.slice('/load/'.length),
      [BODY_BYTES]: String(bodyBytes),
      'content-length': ANSWER.length,
    });
    stream.end(ANSWER);
  });
}
