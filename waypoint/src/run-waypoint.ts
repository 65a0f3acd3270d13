import { runProcess } from '@ambit/mesh/runtime';
import { createWaypoint, type WaypointProcess } from './app.ts';
import { parseConfig, usage } from './config.ts';

/** The main thread of the process, from its start to its exit code. */
export function runWaypoint(process: WaypointProcess): Promise<void> {
  return runProcess({
    name: 'waypoint',
    words: 'waypoint',
    version: '0.1.0',
    usage: usage(),
    parseConfig,
    about: ({ workers }) => ({ workers }),
    create: (start) => createWaypoint({ ...start, ...process }),
  });
}
