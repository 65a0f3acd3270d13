import type { IpAddress, NormalPath, RequestFacts } from '@ambit/mesh/model';
import type { AccessCaller, AccessRefusal, AccessVerdict, Authorizer, PolicyNote } from '@ambit/mesh/policies';
import { type HeaderEdits, NO_EDITS } from '@ambit/mesh/routes';
import { failureAnswer } from '../http/decisions.ts';
import type { Answer, Caller, Decision, RequestPipeline, RequestView } from '../http/pipeline.ts';

const REFUSALS: Readonly<Record<AccessRefusal, Answer>> = {
  'access-denied': failureAnswer('access-denied'),
  'policy-missing': failureAnswer('policy-missing'),
};

/** Asks the policies of a destination before anything else is decided about a request, on the path that is sent on. */
export class GuardedPipeline implements RequestPipeline {
  readonly #authorizer: Authorizer;
  readonly #hostname: string;
  readonly #next: RequestPipeline;

  /** `hostname`: of the destination. */
  constructor(authorizer: Authorizer, hostname: string, next: RequestPipeline) {
    this.#authorizer = authorizer;
    this.#hostname = hostname;
    this.#next = next;
  }

  decide(request: RequestView): Decision {
    return admit(this.#authorizer, this.#hostname, request) ?? this.#next.decide(request);
  }
}

/** What a route makes of a request. */
export interface SentAs {
  readonly path: NormalPath;
  /** Null: as the client named it. */
  readonly host: string | null;
  readonly edits: HeaderEdits;
}

/**
 * Null: the request may go on. What policies said is left in the request. `hostname`: of the destination, which is what is said for a
 * request without a host. `sent`: as it is sent on, where that differs.
 */
export function admit(
  authorizer: Authorizer,
  hostname: string,
  request: RequestView,
  sent: SentAs | null = null,
): Answer | null {
  const facts = sent === null && request.host !== '' ? request : factsOf(hostname, request, sent);
  const verdict = authorizer.decide(accessCaller(request.caller), facts);
  request.access = joined(request.access, verdict);
  return verdict.refusal === null ? null : REFUSALS[verdict.refusal];
}

function factsOf(hostname: string, request: RequestView, sent: SentAs | null): RequestFacts {
  const { method } = request;
  const named = request.host === '' ? hostname : null;
  const host = sent?.host ?? named ?? request.host;
  const said = (name: string): readonly string[] =>
    name === 'host' ? [sent?.host ?? named ?? request.header(name) ?? ''] : request.lines(name);
  const { path, edits } = sent ?? { path: request.path, edits: NO_EDITS };
  const lines = (name: string): readonly string[] => [
    ...(edits.dropped.has(name) ? [] : said(name)),
    ...edits.appended.filter((one) => one.name.toLowerCase() === name).map(({ value }) => value),
  ];
  const header = (name: string): string | null => {
    const all = lines(name);
    return all.length === 0 ? null : all.join(', ');
  };
  return { method, host, path, header, lines };
}

/** The listener has the address from the kernel, in canonical form. */
export function accessCaller(caller: Caller): AccessCaller {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as said above; the same object for the whole connection
  return caller as Caller & { readonly address: IpAddress };
}

/** Policies may be asked twice, of the request as it came and as it is sent, and those of a further service as well. */
function joined(before: AccessVerdict | null, after: AccessVerdict): AccessVerdict {
  if (before === null || before.notes.length === 0) return after;
  const isNew = (note: PolicyNote): boolean =>
    !before.notes.some(({ policy, effect }) => policy === note.policy && effect === note.effect);
  return { ...after, notes: [...before.notes, ...after.notes.filter(isNew)] };
}
