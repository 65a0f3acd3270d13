import { Worker, type WorkerOptions } from 'node:worker_threads';
import { SINGLE_THREADED_GC } from './collect-alone.ts';

/**
 * Node keeps an async context with every callback and request and looks for it also where nobody has one, as in data workers: at two per
 * cent of a small message's CPU.
 */
const WITHOUT_CONTEXT = '--no-async-context-frame';

/**
 * As `new Worker`, without async contexts where this Node can do without. `execArgv` are the arguments of this process: those of the whole
 * process, as V8's, hold for the worker without being named, and must not be.
 */
export function newDataWorker(
  program: URL,
  options: WorkerOptions,
  // oxlint-disable-next-line no-restricted-globals -- what a worker inherits of this process unless something is added to it
  execArgv: readonly string[] = process.execArgv,
): Worker {
  // Arguments of the whole process cannot be given to a worker, which has them anyway. This one is ours (`collectAlone`).
  const inherited = execArgv.filter((argument) => argument !== SINGLE_THREADED_GC);
  const start = (ours: readonly string[]): Worker =>
    new Worker(program, { ...options, execArgv: [...ours, WITHOUT_CONTEXT] });
  try {
    return start(inherited);
  } catch (error) {
    if (!isInvalid(error)) throw error;
    const own = withoutNamed(inherited, error.message);
    try {
      return start(own);
    } catch (second) {
      if (!isInvalid(second)) throw second;
      return new Worker(program, options);
    }
  }
}

/** What `message` does not name at its end, one behind the other, nor is the value of what it names. */
function withoutNamed(execArgv: readonly string[], message: string): readonly string[] {
  const named = message.slice(message.indexOf(': ') + 2).split(', ');
  return execArgv.filter((argument, index) => {
    const isValue = !argument.startsWith('-') && index > 0;
    return !named.includes(isValue ? (execArgv[index - 1] ?? '') : argument);
  });
}

/** Node does not take an argument, which it names. */
function isInvalid(error: unknown): error is Error {
  return error instanceof Error && Reflect.get(error, 'code') === 'ERR_WORKER_INVALID_EXEC_ARGV';
}
