import { collectAlone, tuneHeaps } from '@ambit/mesh/runtime';
import { runNodeAgent } from './run-node-agent.ts';

collectAlone(process);
tuneHeaps();

// A data worker is a program of its own, so that it loads only what it needs; a bundle of it lies beside the bundle of this.
const isSource = import.meta.url.endsWith('.ts');
await runNodeAgent(new URL(isSource ? './worker-main.ts' : './node-agent-worker.mjs', import.meta.url));
