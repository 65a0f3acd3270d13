import { failureAnswer } from '../http/decisions.ts';
import { compileEdits } from '../http/header-edits.ts';
import type { Answer, RequestPipeline } from '../http/pipeline.ts';
import type { OverloadCause, OverloadGuard } from './overload-guard.ts';

const RETRY_AFTER = compileEdits({ dropped: new Set(), appended: [{ name: 'retry-after', value: '1' }] });

const REFUSALS: Readonly<Record<OverloadCause, Answer>> = {
  memory: failureAnswer('no-memory', RETRY_AFTER),
  lag: failureAnswer('busy', RETRY_AFTER),
};

/** The same pipeline, but for what the guard refuses. */
export function sparing(pipeline: RequestPipeline, guard: Pick<OverloadGuard, 'refusal'>): RequestPipeline {
  return {
    decide: (request) => {
      const cause = guard.refusal();
      return cause === null ? pipeline.decide(request) : REFUSALS[cause];
    },
  };
}
