import { runProcess } from '@ambit/mesh/runtime';
import { createWaypoint } from './app.ts';
import { parseConfig, usage } from './config.ts';

/** The main thread of the process, from its start to its exit code. `workerProgram` is the module of a data worker. */
export function runWaypoint(workerProgram: URL): Promise<void> {
  return runProcess({
    name: 'waypoint',
    words: 'waypoint',
    version: '0.1.0',
    usage: usage(),
    parseConfig,
    about: ({ workers }) => ({ workers }),
    create: (start) => createWaypoint({ ...start, workerProgram }),
  });
}
