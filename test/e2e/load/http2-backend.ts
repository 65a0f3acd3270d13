import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type BackendServer, listenOn } from './backend-server.ts';
import { BODY_BYTES, NUMBER, SERVED_BY } from './check-answer.ts';

const ANSWER: Buffer = Buffer.alloc(1024, 'x');
/** "I shall close": streams that are on their way are still taken (RFC 9113, 6.8). */
const ANY_STREAM = 2 ** 31 - 1;

/** HTTP/2 with prior knowledge. */
export async function openHttp2Backend(name: string, port: number): Promise<BackendServer> {
  const sessions = new Set<ServerHttp2Session>();
  let isLeaving = false;
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
    if (isLeaving) session.goaway(0, ANY_STREAM);
  });
  server.on('stream', (stream, headers) => answer(name, String(headers[':path']), stream));
  const opened = await listenOn(server, port);
  return {
    port: opened,
    farewell: () => {
      isLeaving = true;
      for (const session of sessions) if (!session.closed) session.goaway(0, ANY_STREAM);
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
