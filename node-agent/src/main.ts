import { isMainThread } from 'node:worker_threads';

// One program for all threads: what a data worker does not need is never loaded in it, and the other way round.
if (isMainThread) {
  const { runNodeAgent } = await import('./run-node-agent.ts');
  await runNodeAgent(new URL(import.meta.url));
} else {
  const { runWorkerThread } = await import('./worker/worker-thread.ts');
  await runWorkerThread();
}
