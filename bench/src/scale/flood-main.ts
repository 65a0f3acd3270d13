/**
 * Opens very many connections, thousands at a time, as fast as they are carried: `node flood-main.ts ADDRESS COUNT AT-ONCE`. Every one asks the
 * HTTP server there for something and ends. Says `ready` after the first one; every line of input lets it begin, with so many if it is a number, and is
 * answered with the seconds that all of them took. Ends with its input, and when one fails.
 */
import net from 'node:net';
import { createInterface } from 'node:readline';
import { parseSocketAddress } from '@ambit/mesh/model';

const REQUEST = 'GET / HTTP/1.1\r\nHost: flood\r\nConnection: close\r\n\r\n';

const [destination = '', count = '', atOnce = ''] = process.argv.slice(2);
const { ip: host, port } = parseSocketAddress(destination);

await new Promise<void>(openOne);
process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  const startMs = performance.now();
  await openAll(Number(line === '' ? count : line), Number(atOnce));
  process.stdout.write(`${((performance.now() - startMs) / 1000).toFixed(3)}\n`);
}
process.exit(0);

function openAll(all: number, most: number): Promise<void> {
  return new Promise((resolve) => {
    let begun = 0;
    let ended = 0;
    const next = (): void => {
      if (begun < all) {
        begun++;
        openOne(over);
      }
    };
    const over = (): void => {
      ended++;
      if (ended === all) resolve();
      else next();
    };
    while (begun < most) next();
  });
}

function openOne(over: () => void): void {
  let isAnswered = false;
  const socket = net
    .connect({ host, port }, () => socket.write(REQUEST))
    .on('error', fail)
    .on('data', () => (isAnswered = true))
    .on('close', () => (isAnswered ? over() : fail()));
}

function fail(error?: Error): void {
  process.stderr.write(`a connection failed: ${error?.message ?? 'no answer'}\n`);
  process.exit(1);
}
