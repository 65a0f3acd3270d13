/**
 * What happens on a host beside the load, as on any node: `node chores-main.ts` says `ready`, then makes and closes a socket every
 * {@link CHORE_MS} and does nothing else. Every line of input is answered with how many it has made so far. Ends with its input.
 */
import { createInterface } from 'node:readline';
import { BlockingSocket } from '@ambit/mesh/linux';
import { sleepBlocking } from './blocking-sleep.ts';
import { CHORE_MS } from './chores.ts';

/** Between two looks at the input. */
const CHORES_AT_A_TIME = 30;

let isOver = false;
let done = 0;
createInterface(process.stdin)
  .on('line', () => process.stdout.write(`${done}\n`))
  .on('close', () => (isOver = true));
process.stdout.write('ready\n');
while (!isOver) {
  for (let count = 0; count < CHORES_AT_A_TIME; count++) {
    sleepBlocking(CHORE_MS);
    BlockingSocket.unconnected()[Symbol.dispose]();
    done += 1;
  }
  await new Promise((resolve) => setImmediate(resolve));
}
