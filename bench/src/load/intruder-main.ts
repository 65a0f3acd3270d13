/**
 * Tries to reach an application through the server side of a tunnel with a certificate of its own: HTTP/2 CONNECT where
 * the other side speaks h2, plain bytes inside TLS otherwise. Prints `admitted` or `refused`. Arguments: tunnel address,
 * tunnel port, target port, certificate, key and CA files.
 */
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import tls from 'node:tls';

/** A peer that says nothing for this long has not admitted anybody. */
const SILENCE_MS = 2_000;
const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';
const STATUS_OK = 200;

const [address, port, targetPort, certificate, key, authority] = process.argv.slice(2);

function tell(outcome: 'admitted' | 'refused'): never {
  process.stdout.write(`${outcome}\n`);
  process.exit(0);
}

if (
  address === undefined ||
  port === undefined ||
  targetPort === undefined ||
  certificate === undefined ||
  key === undefined ||
  authority === undefined
) {
  process.stderr.write('usage: intruder ADDRESS PORT TARGET-PORT CERTIFICATE KEY CA\n');
  process.exit(2);
}

const socket = tls
  .connect({
    host: address,
    port: Number(port),
    cert: readFileSync(certificate),
    key: readFileSync(key),
    ca: readFileSync(authority),
    ALPNProtocols: ['h2'],
    // Whom this program talks to is not the question here, but whom the other side lets in.
    checkServerIdentity: () => undefined,
  })
  .on('error', () => tell('refused'));
socket.once('secureConnect', () => {
  if (socket.alpnProtocol === 'h2') {
    const session = http2
      .connect(`https://${address}`, { createConnection: () => socket })
      .on('error', () => tell('refused'));
    const stream = session.request({ ':method': 'CONNECT', ':authority': `${address}:${targetPort}` });
    stream.on('error', () => tell('refused'));
    stream.once('response', (headers) => tell(headers[':status'] === STATUS_OK ? 'admitted' : 'refused'));
    stream.once('close', () => tell('refused'));
  } else {
    socket.write(REQUEST);
    socket.once('data', () => tell('admitted'));
    socket.once('close', () => tell('refused'));
  }
});
setTimeout(() => tell('refused'), SILENCE_MS);
