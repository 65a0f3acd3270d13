/**
 * Loaded before the program into each process that a soak watches (`--import`), and by Node into each of its threads. On SIGUSR2 every
 * thread collects its garbage, and the sum of what they still hold is written as JSON to `<directory>/<pid>.json`. What ships knows
 * nothing of this.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';

type Message =
  | { readonly kind: 'hello' }
  | { readonly kind: 'collect' }
  | { readonly kind: 'held'; readonly held: Held };

interface Held {
  /** Objects, and what they hold outside of the heap. */
  readonly objectBytes: number;
  /** Code that V8 has compiled, and keeps. */
  readonly codeBytes: number;
}

/** Finalisers run between collections, and let go of more. */
const COLLECTIONS = 3;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as (how: object) => void; // lint: V8 makes it with that flag
const channel = new BroadcastChannel('heap-probe');
channel.unref();
const say = (message: Message): void => channel.postMessage(message);

/** Spaces of a heap in which compiled code and what describes it live. */
const CODE_SPACE = /code|trusted/;

async function collect(): Promise<Held> {
  for (let round = 0; round < COLLECTIONS; round++) {
    gc({ type: 'major', execution: 'sync' });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { used_heap_size: used, external_memory: external } = getHeapStatistics();
  const code = getHeapSpaceStatistics().filter(({ space_name: name }) => CODE_SPACE.test(name));
  const codeBytes = code.reduce((sum, { space_used_size: bytes }) => sum + bytes, 0);
  return { objectBytes: used + external - codeBytes, codeBytes };
}

if (isMainThread) {
  let others = 0;
  let waiting = 0;
  let sum: Held = { objectBytes: 0, codeBytes: 0 };
  const add = ({ objectBytes, codeBytes }: Held): void => {
    sum = { objectBytes: sum.objectBytes + objectBytes, codeBytes: sum.codeBytes + codeBytes };
    if (--waiting > 0) return;
    const file = `${process.env['HEAP_PROBE_DIRECTORY']}/${process.pid}.json`;
    writeFileSync(`${file}.new`, JSON.stringify(sum));
    renameSync(`${file}.new`, file);
  };
  channel.onmessage = ({ data }: { data: Message }): void => {
    if (data.kind === 'hello') others++;
    if (data.kind === 'held') add(data.held);
  };
  process.on('SIGUSR2', () => {
    [waiting, sum] = [others + 1, { objectBytes: 0, codeBytes: 0 }];
    say({ kind: 'collect' });
    void collect().then(add);
  });
} else {
  channel.onmessage = ({ data }: { data: Message }): void => {
    if (data.kind === 'collect') void collect().then((held) => say({ kind: 'held', held }));
  };
  say({ kind: 'hello' });
}
