import type { ObjectProblem } from '../kinds/object-source.ts';
import type { Logger } from '../runtime/logger.ts';

/** A receiver for `onProblems` that logs each problem once when it appears and once when it is gone. */
export function createProblemReporter(logger: Logger): (problems: readonly ObjectProblem[]) => void {
  let known = new Map<string, ObjectProblem>();
  return (problems) => {
    const next = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
    for (const [id, problem] of next) {
      if (known.has(id)) continue;
      const fields = { path: problem.where, line: problem.line, reason: problem.reason, object: problem.key };
      if (problem.severity === 'error') logger.error('manifest is not in force, its last good version stays', fields);
      else logger.warn('manifest is only partly in force', fields);
    }
    for (const [id, problem] of known) {
      if (!next.has(id))
        logger.info('manifest problem is gone', { path: problem.where, line: problem.line, object: problem.key });
    }
    known = next;
  };
}
