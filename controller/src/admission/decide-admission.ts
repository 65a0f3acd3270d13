import { AMBIT_DOMAIN, FieldReader, KindError, parseObject } from '@ambit/mesh/kinds';
import { decideFindings, isOwnObject, type OwnObject } from '../status/decide-findings.ts';
import { type Condition, decideStatus } from '../status/decide-status.ts';
import type { PolicyWorld } from '../status/policy-world.ts';

/** The part of an admission.k8s.io/v1 AdmissionReview that decides. */
export interface AdmissionRequest {
  /** Returned with the answer. */
  readonly uid: string;
  readonly group: string;
  readonly operation: string;
  readonly subResource: string;
  /** As it would be stored; undefined for a deletion. */
  readonly object: unknown;
}

export interface AdmissionDecision {
  readonly allowed: boolean;
  /** Why not; absent when allowed. */
  readonly refusal?: string;
  /** What the author should know all the same. */
  readonly warnings: readonly string[];
}

/** The API server cuts off all warnings of a request together at 4,096 characters. */
const WARNING_LENGTH_MAX = 1000;
const ALLOWED: AdmissionDecision = { allowed: true, warnings: [] };
const NO_NODES = { acknowledged: [], pending: [], refused: [], unheard: [], missing: [], silent: [] };

/** @throws KindError when the body is no AdmissionReview with a request. */
export function parseAdmissionReview(body: unknown): AdmissionRequest {
  const review = new FieldReader(body);
  review.oneOf('kind', ['AdmissionReview']);
  review.oneOf('apiVersion', ['admission.k8s.io/v1']);
  const request = review.object('request') ?? review.fail('request', 'an object');
  const kind = request.object('kind') ?? request.fail('kind', 'an object');
  return {
    uid: request.text('uid'),
    group: kind.text('group'),
    operation: request.text('operation'),
    subResource: request.text('subResource', ''),
    object: request.raw('object'),
  };
}

/**
 * Refuses only what an object of ours proves wrong all by itself, as the parser says it. What is missing around it or
 * meets another object is a warning: order of creation is the author's. Objects of others are none of our business.
 */
export function decideAdmission(request: AdmissionRequest, world: PolicyWorld): AdmissionDecision {
  if (request.group !== AMBIT_DOMAIN || request.subResource !== '') return ALLOWED;
  if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return ALLOWED;
  let object: ReturnType<typeof parseObject>;
  try {
    object = parseObject(request.object);
  } catch (error) {
    if (!(error instanceof KindError)) throw error;
    return { allowed: false, refusal: error.message, warnings: [] };
  }
  if (object === null || !isOwnObject(object)) return ALLOWED;
  return { allowed: true, warnings: warningsOf(object, world) };
}

/** What its status will complain about, as far as it is known already. */
function warningsOf(object: OwnObject, world: PolicyWorld): readonly string[] {
  const status = decideStatus(object, decideFindings(world, object), NO_NODES);
  const conditions =
    status.style === 'object' ? status.conditions : status.ancestors.flatMap((entry) => entry.conditions);
  const messages = conditions.filter(isComplaint).map(({ message }) => message.slice(0, WARNING_LENGTH_MAX));
  return [...new Set(messages)];
}

function isComplaint({ type, status, reason }: Condition): boolean {
  if (type === 'Attached' || type === 'ResolvedRefs') return status === 'False';
  // Who asks for a dry run knows.
  return type === 'PartiallyEnforced' && status === 'True' && reason !== 'DryRun';
}
