/**
 * One kept connection that takes turns with those of other programs: `node turns-main.ts ADDRESS:PORT`. Says `ready` once requests have
 * been answered for a while; every line of input, a TurnsTask, is answered with a TurnsResult. Ends with its input, and with an error when
 * an answer is lost.
 */
import { createInterface } from 'node:readline';
import { parseSocketAddress } from '@ambit/mesh/model';
import { MeshError } from '@ambit/mesh/runtime';
import { sleepBlocking } from './blocking-sleep.ts';
import { KeptConnection } from './kept-connection.ts';
import { LatencyCounts } from './latency-counts.ts';
import { monotonicLeadMs, monotonicMs, TURN_SETTLING_REQUESTS, type TurnsResult, type TurnsTask } from './turns.ts';

/** Until V8 has compiled what is measured. */
const WARM_UP_MS = 300;
const LATENCIES = { stepsPerUs: 10, slowestUs: 200_000 } as const;

function sleepUntil(ms: number): void {
  for (let left = ms - performance.now(); left > 0; left = ms - performance.now()) sleepBlocking(left);
}

/** Holds up the thread until the last turn is over. */
function takeTurns(connection: KeptConnection, { startMs, turnMs, turns }: TurnsTask): TurnsResult {
  const latencies = new LatencyCounts(LATENCIES);
  const originMs = startMs - monotonicLeadMs();
  let requests = 0;
  let errors = 0;
  let withinMs = 0;
  for (const turn of turns) {
    const beginMs = originMs + turn * turnMs;
    const endMs = beginMs + turnMs;
    sleepUntil(beginMs);
    const begunMs = performance.now();
    let nowMs = begunMs;
    for (let count = 0; nowMs < endMs; count++) {
      const sentMs = nowMs;
      if (!connection.ask(sentMs)) errors += 1;
      nowMs = performance.now();
      requests += 1;
      if (count >= TURN_SETTLING_REQUESTS) latencies.add((nowMs - sentMs) * 1000);
    }
    withinMs += nowMs - begunMs;
  }
  const [p50Us, p99Us] = [latencies.percentileUs(0.5), latencies.percentileUs(0.99)];
  return { requests, errors, p50Us, p99Us, seconds: withinMs / 1000 };
}

async function run(address: string): Promise<void> {
  using connection = KeptConnection.open(parseSocketAddress(address));
  takeTurns(connection, { startMs: monotonicMs(), turnMs: WARM_UP_MS, turns: [0] });
  process.stdout.write('ready\n');
  for await (const line of createInterface(process.stdin)) {
    const task: TurnsTask = JSON.parse(line);
    process.stdout.write(`${JSON.stringify(takeTurns(connection, task))}\n`);
  }
}

try {
  await run(process.argv[2] ?? '');
} catch (error) {
  const data = error instanceof MeshError ? JSON.stringify(error.data) : '';
  process.stderr.write(`${String(error)} ${data}\n`);
  process.exit(1);
}
