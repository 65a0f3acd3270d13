import net from 'node:net';
import tls from 'node:tls';

/** What a TLS client says first, as OpenSSL does. */
export async function clientHello(options: tls.ConnectionOptions): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes: Buffer) => {
      resolve(bytes);
      socket.destroy();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const client = tls.connect({ host: '127.0.0.1', port: address.port, ...options });
  client.on('error', () => {});
  const hello = await promise;
  client.destroy();
  await new Promise((done) => server.close(done));
  return hello;
}
