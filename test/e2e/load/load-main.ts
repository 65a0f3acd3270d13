/**
 * A load generator in a process of its own: `node load-main.ts PLAN`, the plan as JSON (load-plan.ts). Takes commands on
 * standard input and tells on standard output (load-report.ts); ends with its plan, on `stop`, or when standard input does.
 */
import { createInterface } from 'node:readline';
import { LoadRun } from './load-run.ts';
import type { LoadPlan } from './load-plan.ts';
import type { LoadCommand, LoadEvent } from './load-report.ts';

const tell = (event: LoadEvent): Promise<void> =>
  new Promise((resolve) => process.stdout.write(`${JSON.stringify(event)}\n`, () => resolve()));

const run = new LoadRun(JSON.parse(process.argv[2] ?? '{}') as LoadPlan); // lint: our own test passes it
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  const command = JSON.parse(line) as LoadCommand; // lint: our own test writes it
  if ('stop' in command) return run.stop();
  if ('report' in command) return void tell({ event: 'so-far', id: command.report, report: run.soFar });
  run.mark(command.mark);
  void tell({ event: 'marked', name: command.mark });
});
input.on('close', () => run.stop());
void tell({ event: 'started' });
await tell({ event: 'ended', report: await run.run() });
process.exit(0);
