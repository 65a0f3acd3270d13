import { runWorkerThread } from './worker/worker-thread.ts';

await runWorkerThread(process);
