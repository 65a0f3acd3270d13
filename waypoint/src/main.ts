import { tuneHeaps } from '@ambit/mesh/runtime';
import { runWaypoint } from './run-waypoint.ts';

tuneHeaps();

// A data worker is a program of its own, so that it loads only what it needs; a bundle of it lies beside the bundle of this.
const isSource = import.meta.url.endsWith('.ts');
await runWaypoint({
  workerProgram: new URL(isSource ? './worker-main.ts' : './waypoint-worker.mjs', import.meta.url),
  containerMemoryBytes: process.constrainedMemory(),
});
