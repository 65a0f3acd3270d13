import { createServer } from 'node:http';
import { portOf } from './recorded.ts';

/** What a collector of traces was sent, as it came. */
export interface SpanCollector extends AsyncDisposable {
  /** For `POST` in OTLP over HTTP. */
  readonly url: string;
  readonly bodies: readonly unknown[];
}

/** A collector on loopback that keeps what it is sent as JSON and answers `status`. */
export async function openSpanCollector(status = 200): Promise<SpanCollector> {
  const bodies: unknown[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request
      .setEncoding('utf8')
      .on('data', (part: string) => {
        text += part;
      })
      .on('end', () => {
        bodies.push(JSON.parse(text));
        response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
      });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${portOf(server)}/v1/traces`,
    bodies,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}
