/**
 * Loaded before the program into each process that a soak watches (`--import`), and by Node into each of its threads. On SIGUSR2 every
 * thread collects its garbage, and the sum of what they still hold is written as JSON to `<directory>/<pid>.json`. What ships knows
 * nothing of this.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString, getHeapStatistics } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

type Message =
  | { readonly kind: 'hello' }
  | { readonly kind: 'collect' }
  | { readonly kind: 'held'; readonly bytes: number };

/** Finalisers run between collections, and let go of more. */
const COLLECTIONS = 3;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as (how: object) => void; // lint: V8 makes it with that flag
const channel = new BroadcastChannel('heap-probe');
channel.unref();
const say = (message: Message): void => channel.postMessage(message);

async function heldBytes(): Promise<number> {
  for (let round = 0; round < COLLECTIONS; round++) {
    gc({ type: 'major', execution: 'sync' });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { used_heap_size: used, external_memory: external } = getHeapStatistics();
  return used + external;
}

if (isMainThread) {
  let others = 0;
  let waiting = 0;
  let sum = 0;
  const add = (bytes: number): void => {
    sum += bytes;
    if (--waiting > 0) return;
    const file = `${process.env['HEAP_PROBE_DIRECTORY']}/${process.pid}.json`;
    writeFileSync(`${file}.new`, JSON.stringify(sum));
    renameSync(`${file}.new`, file);
  };
  channel.onmessage = ({ data }: { data: Message }): void => {
    if (data.kind === 'hello') others++;
    if (data.kind === 'held') add(data.bytes);
  };
  process.on('SIGUSR2', () => {
    [waiting, sum] = [others + 1, 0];
    say({ kind: 'collect' });
    void heldBytes().then(add);
  });
} else {
  channel.onmessage = ({ data }: { data: Message }): void => {
    if (data.kind === 'collect') void heldBytes().then((bytes) => say({ kind: 'held', bytes }));
  };
  say({ kind: 'hello' });
}
