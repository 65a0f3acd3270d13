import { tuneMalloc } from '@ambit/mesh/linux';
import { runProcess } from '@ambit/mesh/runtime';
import { createNodeAgent } from './app.ts';
import { parseConfig, usage } from './config.ts';

/** The main thread of the process, from its start to its exit code. `workerProgram` is the module of a data worker. */
export function runNodeAgent(workerProgram: URL): Promise<void> {
  return runProcess({
    name: 'node-agent',
    words: 'node agent',
    version: '0.1.0',
    usage: usage(),
    parseConfig,
    about: ({ nodeName, workers }) => ({ node: nodeName, workers }),
    create: (start) => {
      tuneMalloc(start.config.workers);
      return createNodeAgent({ ...start, workerProgram });
    },
  });
}
