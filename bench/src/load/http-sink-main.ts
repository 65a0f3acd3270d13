/**
 * Answers HTTP/1.1 requests without a body, through HBONE or in plaintext: `node http-sink-main.ts OPTIONS` with options as JSON.
 * Every request gets the same 1 KiB. Requests are counted by the empty line that ends them.
 */
import net from 'node:net';
import { readFileSync } from 'node:fs';
import { acceptHbone, type Carrier, createPlainCarrier } from '@ambit/mesh/hbone';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { parseSvid, parseTrustBundle, secureContextOf } from '@ambit/mesh/tls';

export interface HttpSinkOptions {
  readonly host: string;
  readonly hbonePort: number;
  readonly plainPort: number;
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
}

const BODY_BYTES = 1024;
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nServer: sink\r\nContent-Type: text/plain\r\nContent-Length: ${BODY_BYTES}\r\n\r\n${'x'.repeat(BODY_BYTES)}`,
);
const LF = 10;

function serve(carrier: Carrier): void {
  let newlines = 0;
  carrier.read({
    onBytes: (memory, start, end) => {
      for (let at = start; at < end; at += 1) {
        const byte = memory[at];
        if (byte === LF) {
          newlines += 1;
          if (newlines === 2) {
            newlines = 0;
            carrier.write(ANSWER);
          }
        } else if (byte !== 13) newlines = 0;
      }
    },
    onEnd: () => carrier.end(),
    onClose: () => {},
  });
}

const [text] = process.argv.slice(2);
if (text !== undefined) {
  const options: HttpSinkOptions = JSON.parse(text);
  const svid = parseSvid({
    privateKeyPem: readFileSync(options.key, 'utf8'),
    chainPem: readFileSync(options.certificate, 'utf8'),
    trustBundle: parseTrustBundle([readFileSync(options.roots, 'utf8')]),
  });
  const settings = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true };
  net
    .createServer(settings, (socket) => {
      socket.on('error', () => {});
      acceptHbone<string>(socket, {
        clock: systemClock,
        logger: silentLogger,
        secureContext: secureContextOf(svid),
        verifyPeer: () => '',
        onTunnel: (request) => serve(request.accept()),
      }).catch(() => {});
    })
    .listen(options.hbonePort, options.host);
  net
    .createServer(settings, (socket) => serve(createPlainCarrier(socket.on('error', () => {}))))
    .listen(options.plainPort, options.host, () => process.stdout.write('ready\n'));
}
