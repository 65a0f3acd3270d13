/**
 * Answers HTTP/1.1, HTTP/2 and gRPC, through HBONE or in plaintext: `node http-sink-main.ts OPTIONS` with options as JSON. Every
 * request gets the same 1 KiB, but for those that ask for a body of some length by `/bytes/N`.
 */
import net from 'node:net';
import { acceptHbone, type Carrier, type CarrierReader, createPlainCarrier } from '@ambit/mesh/hbone';
import { silentLogger, systemClock } from '@ambit/mesh/runtime';
import { secureContextOf } from '@ambit/mesh/tls';
import { serveHttp2 } from './sink-http2.ts';
import { SinkHttp1 } from './sink-http1.ts';
import { type CertificateFiles, readSvid } from './tunnels.ts';

export interface HttpSinkOptions extends CertificateFiles {
  readonly host: string;
  readonly hbonePort: number;
  readonly plainPort: number;
}

const BODY = Buffer.alloc(1024, 'x');
/** "P" begins HTTP/2, and also POST and PUT: the second letter decides. */
const HTTP2_BEGINS = 'PR';

/** Looks at what comes first, which is never less than two bytes here. */
function serve(carrier: Carrier): void {
  let reader: CarrierReader | undefined;
  carrier.read({
    onBytes: (memory, start, end) => {
      const isHttp2 = memory.toString('latin1', start, start + HTTP2_BEGINS.length) === HTTP2_BEGINS;
      reader ??= isHttp2 ? serveHttp2(carrier, BODY) : new SinkHttp1(carrier, BODY);
      reader.onBytes(memory, start, end);
    },
    onEnd: () => (reader === undefined ? carrier.end() : reader.onEnd()),
    onDrain: () => reader?.onDrain?.(),
    onClose: (result) => reader?.onClose(result),
  });
}

const [text] = process.argv.slice(2);
if (text !== undefined) {
  const options: HttpSinkOptions = JSON.parse(text);
  const secureContext = secureContextOf(readSvid(options));
  const settings = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true };
  net
    .createServer(settings, (socket) => {
      socket.on('error', () => {});
      acceptHbone<string>(socket, {
        clock: systemClock,
        logger: silentLogger,
        secureContext,
        verifyPeer: () => '',
        onTunnel: (request) => serve(request.accept()),
      }).catch(() => {});
    })
    .listen(options.hbonePort, options.host);
  net
    .createServer(settings, (socket) => serve(createPlainCarrier(socket.on('error', () => {}))))
    .listen(options.plainPort, options.host, () => process.stdout.write('ready\n'));
}
