import { FAILURES } from '../http/failures.ts';
import { compileEdits } from '../http/header-edits.ts';
import type { Answer, RequestPipeline } from '../http/pipeline.ts';
import type { OverloadCause, OverloadGuard } from './overload-guard.ts';

const RETRY_AFTER = compileEdits({ dropped: new Set(), appended: [{ name: 'retry-after', value: '1' }] });

const REFUSALS: Readonly<Record<OverloadCause, Answer>> = {
  memory: refusalOf('no-memory'),
  lag: refusalOf('busy'),
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

function refusalOf(reason: 'no-memory' | 'busy'): Answer {
  return { kind: 'answer', route: '', reason, status: FAILURES[reason].status, headers: RETRY_AFTER };
}
