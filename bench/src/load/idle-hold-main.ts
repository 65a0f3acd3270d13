/**
 * Opens connections, proves each with one request and its whole answer, says `ready COUNT` and holds them open until its
 * standard input ends. Arguments: address, port, count. Exit code 1 and a reason when one of them fails.
 */
import net from 'node:net';

/** Connections being opened at one time: quick, yet far from any accept queue's limit. */
const OPENING_LIMIT = 32;
const REQUEST = 'GET / HTTP/1.1\r\nHost: bench\r\n\r\n';
const RESPONSE_BYTES_MIN = 1024;

function openOne(host: string, port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const socket = net.connect({ host, port }, () => socket.write(REQUEST)).on('error', reject);
    socket.on('close', () => reject(new Error('a connection was closed')));
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received >= RESPONSE_BYTES_MIN) resolve(socket);
    });
  });
}

async function run(host: string, port: number, count: number): Promise<void> {
  const held: net.Socket[] = [];
  let started = 0;
  const lane = async (): Promise<void> => {
    while (started < count) {
      started += 1;
      held.push(await openOne(host, port));
    }
  };
  await Promise.all(Array.from({ length: OPENING_LIMIT }, lane));
  const broken = held.filter((socket) => socket.destroyed).length;
  if (broken > 0) throw new Error(`${broken} connections did not stay open`);
  process.stdout.write(`ready ${held.length}\n`);
}

const [host, port, count] = process.argv.slice(2);
if (host === undefined || port === undefined || count === undefined) {
  process.stderr.write('usage: idle-hold ADDRESS PORT COUNT\n');
  process.exit(2);
}
run(host, Number(port), Number(count)).then(
  () => process.stdin.resume().on('end', () => process.exit(0)),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
