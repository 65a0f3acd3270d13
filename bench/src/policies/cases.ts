import { parseObject, requestPolicyOf } from '@ambit/mesh/kinds';
import { normalisePath, type RequestFacts, type RequestPolicy } from '@ambit/mesh/model';
import { BenchError } from '../errors.ts';

type Json = Readonly<Record<string, unknown>>;

/** Allow rules that differ in one thing, and requests that some of them allow. */
export interface PoliciesCase {
  readonly name: string;
  policies(rules: number): readonly RequestPolicy[];
  /** For rules spread over all of them, the last one among them. */
  requests(rules: number): readonly RequestFacts[];
}

const REQUESTS = 16;
/** As many as one policy may have. */
const RULES_PER_POLICY = 25;

export function policiesCases(): readonly PoliciesCase[] {
  return [
    {
      name: 'by path: /vN/{id}',
      policies: (rules) => policiesOf(rules, (index) => ({ to: [{ methods: ['GET'], paths: [`/v${index}/{id}`] }] })),
      requests: (rules) => spread(rules, (index) => aRequest(`/v${index}/42`)),
    },
    {
      name: 'by path below one prefix: /api/vN/{id}',
      policies: (rules) => policiesOf(rules, (index) => ({ to: [{ paths: [`/api/v${index}/{id}`] }] })),
      requests: (rules) => spread(rules, (index) => aRequest(`/api/v${index}/42`)),
    },
    {
      name: 'by caller: one of N service accounts may do what is asked',
      policies: (rules) =>
        policiesOf(rules, (index) => ({
          from: [{ serviceAccounts: [index === rules - 1 ? 'web' : `other-${index}`] }],
          to: [{ methods: ['GET'] }],
        })),
      requests: () => [aRequest('/api/42')],
    },
    {
      name: 'by a header',
      policies: (rules) =>
        policiesOf(rules, (index) => ({ to: [{ headers: [{ name: 'x-tenant', values: [`t${index}`] }] }] })),
      requests: (rules) => spread(rules, (index) => aRequest('/api/42', { 'x-tenant': `t${index}` })),
    },
  ];
}

function policiesOf(count: number, rule: (index: number) => Json): readonly RequestPolicy[] {
  const rules = Array.from({ length: count }, (_, index) => rule(index));
  return Array.from({ length: Math.ceil(count / RULES_PER_POLICY) }, (_, index) => {
    const object = parseObject({
      apiVersion: 'ambit.dev/v1alpha1',
      kind: 'AccessPolicy',
      metadata: { name: `p${index}`, namespace: 'shop' },
      spec: { action: 'Allow', rules: rules.slice(index * RULES_PER_POLICY, (index + 1) * RULES_PER_POLICY) },
    });
    if (object?.kind !== 'AccessPolicy') throw new BenchError('unreadable-output', 'a policy was not read');
    return requestPolicyOf(object);
  });
}

function spread(count: number, make: (index: number) => RequestFacts): readonly RequestFacts[] {
  return Array.from({ length: REQUESTS }, (_, index) => make(Math.ceil(((index + 1) * count) / REQUESTS) - 1));
}

function aRequest(text: string, own: Readonly<Record<string, string>> = {}): RequestFacts {
  const normal = normalisePath(text);
  if (normal.kind === 'refused') throw new BenchError('unreadable-output', 'a path was refused', { data: { text } });
  const headers = new Map(Object.entries(own));
  return {
    method: 'GET',
    host: 'web.shop',
    path: normal.path,
    header: (name) => headers.get(name) ?? null,
    lines: () => [],
  };
}
