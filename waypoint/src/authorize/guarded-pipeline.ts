import type { IpAddress } from '@ambit/mesh/model';
import type { AccessCaller, AccessRefusal, AccessVerdict, Authorizer } from '@ambit/mesh/policies';
import { FAILURES } from '../http/failures.ts';
import { NO_COMPILED_EDITS } from '../http/header-edits.ts';
import type { Answer, Caller, Decision, RequestPipeline, RequestView } from '../http/pipeline.ts';

const REFUSALS: Readonly<Record<AccessRefusal, Answer>> = {
  'access-denied': refusal('access-denied'),
  'policy-missing': refusal('policy-missing'),
};

/** Asks the policies of a destination before anything else is decided about a request, on the path that is sent on. */
export class GuardedPipeline implements RequestPipeline {
  readonly #authorizer: Authorizer;
  readonly #next: RequestPipeline;

  constructor(authorizer: Authorizer, next: RequestPipeline) {
    this.#authorizer = authorizer;
    this.#next = next;
  }

  decide(request: RequestView): Decision {
    return admit(this.#authorizer, request) ?? this.#next.decide(request);
  }
}

/** Null: the request may go on. What policies said is left in the request. */
export function admit(
  authorizer: Authorizer,
  request: RequestView,
  /** As it is sent on, where that differs. */
  rewritten: Partial<Pick<RequestView, 'path' | 'host'>> | null = null,
): Answer | null {
  const { path = request.path, host = request.host } = rewritten ?? request;
  const facts =
    rewritten === null
      ? request
      : { method: request.method, path, host, header: (name: string) => request.header(name) };
  const verdict = authorizer.decide(accessCaller(request.caller), facts);
  request.access = joined(request.access, verdict);
  return verdict.refusal === null ? null : REFUSALS[verdict.refusal];
}

/** The listener has the address from the kernel, in canonical form. */
export function accessCaller(caller: Caller): AccessCaller {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said above; the same object for the whole connection
  return caller as Caller & { readonly address: IpAddress };
}

/** A route may lead to a further service, whose policies have something to tell as well. */
function joined(before: AccessVerdict | null, after: AccessVerdict): AccessVerdict {
  if (before === null || before.notes.length === 0) return after;
  return { ...after, notes: [...before.notes, ...after.notes] };
}

function refusal(reason: AccessRefusal): Answer {
  return { kind: 'answer', route: '', reason, status: FAILURES[reason].status, headers: NO_COMPILED_EDITS };
}
