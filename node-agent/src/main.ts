import { collectOnOwnThread } from './heap.ts';
import { runNodeAgent } from './run-node-agent.ts';

collectOnOwnThread();

// A data worker is a program of its own, so that it loads only what it needs; a bundle of it lies beside the bundle of this.
const isSource = import.meta.url.endsWith('.ts');
await runNodeAgent(new URL(isSource ? './worker-main.ts' : './node-agent-worker.mjs', import.meta.url));
