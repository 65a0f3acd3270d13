import { DatagramExchange, NetnsHandle } from '@ambit/mesh/linux';
import { parseSocketAddress } from '@ambit/mesh/model';

// Asks the DNS proxy of a pod from its namespace, from several sockets, always for names the mesh knows. Arguments: the namespace, where
// to ask, then the names. Says `ready` after the first answer. For every line it reads: a line with the number of answers since the last.

/** Sockets, as of as many threads of an application, and questions of each that are not answered yet. */
const SOCKETS = 8;
const OUTSTANDING = 16;
/** What is lost in a full buffer is asked again. */
const STALLED_MS = 500;

const [netns = '', destination = '', ...names] = process.argv.slice(2);
using handle = NetnsHandle.open(netns);
const into = Buffer.alloc(4096);
const questions = names.flatMap((name) => [1, 28].map((type) => question(name, type)));
let answers = 0;
let isReady = false;
let next = 0;

for (let i = 0; i < SOCKETS; i++) {
  let outstanding = 0;
  let lastMs = performance.now();
  const exchange: DatagramExchange = new DatagramExchange(
    handle,
    { destination: parseSocketAddress(destination) },
    () => {
      for (;;) {
        const length = exchange.receive(into);
        if (typeof length !== 'number') break;
        if (((into[3] ?? 0) & 15) !== 0) throw new Error(`code ${(into[3] ?? 0) & 15}`);
        answers++;
        if (!isReady) process.stdout.write('ready\n');
        isReady = true;
        outstanding--;
      }
      fill();
    },
  );
  const fill = (): void => {
    lastMs = performance.now();
    for (; outstanding < OUTSTANDING; outstanding++) {
      const message = questions[next++ % questions.length];
      if (message === undefined) return;
      message.writeUInt16BE(next & 0xffff, 0);
      exchange.send(message);
    }
  };
  fill();
  setInterval(() => {
    if (performance.now() - lastMs < STALLED_MS) return;
    outstanding = 0;
    fill();
  }, STALLED_MS);
}

process.stdin.on('data', () => {
  process.stdout.write(`${answers}\n`);
  answers = 0;
});
process.stdin.on('end', () => process.exit());

/** One question for a record of `type`. */
function question(name: string, type: number): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels, Buffer.from([0, 0, type, 0, 1])]);
}
