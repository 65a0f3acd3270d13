import { Worker, type WorkerOptions } from 'node:worker_threads';
import { SINGLE_THREADED_GC } from './collect-alone.ts';

/**
 * Node keeps an async context with every callback and request and looks for it also where nobody has one, as in data workers: at two per
 * cent of a small message's CPU.
 */
const WITHOUT_CONTEXT = '--no-async-context-frame';

/** As `new Worker`, without async contexts where this Node can do without. `execArgv` are the arguments of this process. */
export function newDataWorker(
  program: URL,
  options: WorkerOptions,
  // oxlint-disable-next-line no-restricted-globals -- what a worker inherits of this process unless something is added to it
  execArgv: readonly string[] = process.execArgv,
): Worker {
  // Arguments of the whole process cannot be given to a worker, which has them anyway. This one is ours (`collectAlone`).
  const inherited = execArgv.filter((argument) => argument !== SINGLE_THREADED_GC);
  try {
    return new Worker(program, { ...options, execArgv: [...inherited, WITHOUT_CONTEXT] });
  } catch (error) {
    if (!(error instanceof Error) || Reflect.get(error, 'code') !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error;
    return new Worker(program, options);
  }
}
