import { PATH_TEMPLATE, PATH_TEMPLATE_LENGTH_MAX } from '../../model/path-template.ts';
import {
  ACCESS_ACTIONS,
  ACCOUNT_NAME,
  ACCOUNT_NAME_LENGTH_MAX,
  HEADER_MATCH,
  HEADER_MATCH_LENGTH_MAX,
  HOST_LENGTH_MAX,
  HOST_MATCH,
  IP_BLOCK_LENGTH_MAX,
  KIND_LIMITS,
  METHOD,
  METHOD_LENGTH_MAX,
  NAMESPACE_MATCH,
  NAMESPACE_MATCH_LENGTH_MAX,
  POLICY_TARGET_GROUPS,
  POLICY_HEADER_NAME,
  POLICY_HEADER_NAME_LENGTH_MAX,
  PRINCIPAL_LENGTH_MAX,
  PRINCIPAL_MATCH,
} from '../limits.ts';
import { AGE, conditionColumn, matchesRule, objectName, port, SELECTOR } from './common-schema.ts';
import type { KindDefinition, ListSchema, ObjectSchema, Schema, TextSchema } from './schema.ts';

// Costs: the API server refuses a rule that may be evaluated too often. There may be 32,768 values of a list below, so
// only cheap rules are there, and patterns beside them say exactly what they hint at.

const account: TextSchema = {
  type: 'text',
  description: 'A service account',
  lengthMin: 1,
  lengthMax: ACCOUNT_NAME_LENGTH_MAX,
  pattern: ACCOUNT_NAME,
  rules: [
    {
      rule: "!self.contains(':')",
      message: 'a service account is written "name" or "namespace/name"; a SPIFFE ID belongs in principals',
    },
  ],
};

const principal: TextSchema = {
  type: 'text',
  description: 'A SPIFFE ID, or a part of one',
  lengthMin: 1,
  lengthMax: PRINCIPAL_LENGTH_MAX,
  pattern: PRINCIPAL_MATCH,
};

const namespace: TextSchema = {
  type: 'text',
  description: 'A namespace, or a part of its name',
  lengthMin: 1,
  lengthMax: NAMESPACE_MATCH_LENGTH_MAX,
  rules: [matchesRule(NAMESPACE_MATCH, 'a namespace, "prefix*", "*suffix" or "*"')],
};

const block: TextSchema = {
  type: 'text',
  description: 'An address or a block of them',
  lengthMin: 1,
  lengthMax: IP_BLOCK_LENGTH_MAX,
  rules: [{ rule: 'isIP(self) || isCIDR(self)', message: 'an IP address or block such as 10.0.0.0/8' }],
};

function values(description: string, items: Schema, itemsMax: number = KIND_LIMITS.ruleValues): ListSchema {
  return { type: 'list', description, items, itemsMin: 1, itemsMax };
}

/** An entry whose fields must all hold; one that says nothing is refused, not taken for "everything". */
function entry(description: string, fields: ObjectSchema['fields']): ObjectSchema {
  const names = Object.keys(fields);
  return {
    type: 'object',
    description,
    fields,
    rules: [
      { rule: names.map((name) => `has(self.${name})`).join(' || '), message: `at least one of ${names.join(', ')}` },
    ],
  };
}

const source = entry('All its fields must hold for the caller', {
  serviceAccounts: values('The caller is one of these: `name` in this namespace, or `namespace/name`', account),
  notServiceAccounts: values('The caller has an identity and is none of these', account),
  principals: values(
    "The caller's SPIFFE ID: `cluster.local/ns/shop/sa/cart` exactly, or `prefix*`, `*suffix`, `*` for any identity; `spiffe://` may stand in front",
    principal,
  ),
  notPrincipals: values("The caller's SPIFFE ID is none of these", principal),
  namespaces: values(
    "The namespace of the caller's identity; `prefix*`, `*suffix` and `*` as for principals",
    namespace,
  ),
  notNamespaces: values("The namespace of the caller's identity is none of these", namespace),
  ipBlocks: values("The caller's address, as the destination sees it", block, KIND_LIMITS.ruleBlocks),
  notIpBlocks: values("The caller's address is in none of these", block, KIND_LIMITS.ruleBlocks),
});

const WAYPOINT = 'Only a waypoint can tell';

function text(description: string, pattern: RegExp, lengthMax: number): TextSchema {
  return { type: 'text', description, lengthMin: 1, lengthMax, pattern };
}

const method = text('A method', METHOD, METHOD_LENGTH_MAX);
const path = text('A path, or many', PATH_TEMPLATE, PATH_TEMPLATE_LENGTH_MAX);
const host = text('A host name, or many', HOST_MATCH, HOST_LENGTH_MAX);
const headerValue = text('A value, or a part of one', HEADER_MATCH, HEADER_MATCH_LENGTH_MAX);

const header: ObjectSchema = {
  type: 'object',
  description: 'A header and what its value may be',
  required: ['name'],
  rules: [{ rule: 'has(self.values) || has(self.notValues)', message: 'at least one of values, notValues' }],
  fields: {
    name: text(
      'Its name, in any case; not `Host`, of which `hosts` speaks',
      POLICY_HEADER_NAME,
      POLICY_HEADER_NAME_LENGTH_MAX,
    ),
    values: values('It is there and its value is one of these; `prefix*`, `*suffix`, `*` for any', headerValue),
    notValues: values('It is not there, or its value is none of these', headerValue),
  },
};

const operation = entry('All its fields must hold for the connection', {
  ports: values('The port that the application listens on', port('A port')),
  notPorts: values('The port is none of these', port('A port')),
  ipBlocks: values("The destination's own address", block, KIND_LIMITS.ruleBlocks),
  notIpBlocks: values("The destination's own address is in none of these", block, KIND_LIMITS.ruleBlocks),
  methods: values(`The request's method, in capitals. ${WAYPOINT}, also for what follows`, method),
  notMethods: values('The method is none of these', method),
  paths: values(
    "The request's path: `/users/{id}/orders`, where `{name}` or `*` is any one segment, and `/admin/**` with all below it",
    path,
  ),
  notPaths: values('The path is none of these', path),
  hosts: values('The host that the client names: `web.shop`, `*.example.com` for all below it, `*`', host),
  notHosts: values('The host is none of these', host),
  headers: {
    type: 'list',
    description: 'Headers of the request; all of them must hold',
    items: header,
    itemsMin: 1,
    itemsMax: KIND_LIMITS.ruleHeaders,
  },
});

function entries(description: string, items: ObjectSchema): ListSchema {
  return { type: 'list', description, items, itemsMin: 1, itemsMax: KIND_LIMITS.ruleEntries };
}

const TARGET_KINDS = Object.entries(POLICY_TARGET_GROUPS).map(([kind, group]) => `${group}/${kind}`);

const spec: ObjectSchema = {
  type: 'object',
  description: 'What is allowed or denied, and for which workloads',
  required: ['action'],
  rules: [
    {
      rule: '!(has(self.selector) && has(self.targetRefs))',
      message: 'selector and targetRefs exclude each other: use one, or neither for the whole namespace',
    },
  ],
  fields: {
    targetRefs: {
      type: 'list',
      description:
        'Objects by name: Services and Gateways (waypoints) of this namespace, where waypoints enforce it, and ExternalWorkloads; not together with `selector`',
      itemsMin: 1,
      itemsMax: KIND_LIMITS.targetRefs,
      items: {
        type: 'object',
        description: 'An object of this namespace, or a GatewayClass',
        required: ['group', 'kind', 'name'],
        rules: [
          {
            rule: `self.group + '/' + self.kind in [${TARGET_KINDS.map((kind) => `'${kind}'`).join(', ')}]`,
            message: `one of ${TARGET_KINDS.join(', ')}; use selector for pods, or neither for the namespace`,
          },
        ],
        fields: {
          group: {
            type: 'text',
            description: 'Empty for a Service, `gateway.networking.k8s.io`, or `ambit.dev` for an ExternalWorkload',
            lengthMax: 253,
          },
          kind: {
            type: 'text',
            description:
              '`Service`, `Gateway`, `ExternalWorkload`, or, in the root namespace, `GatewayClass` for all waypoints of the mesh',
            lengthMax: 63,
          },
          name: objectName('Its name', 'an object'),
        },
      },
    },
    selector: SELECTOR,
    action: {
      type: 'text',
      description:
        '`Allow`: what no Allow policy of a workload matches is refused. `Deny`: what matches is refused. `Audit`: what matches is counted and marked in the access log, by waypoints alone',
      values: ACCESS_ACTIONS,
      lengthMax: 16,
    },
    rules: {
      type: 'list',
      description:
        'Any rule that matches is a match; **no rules match nothing**: an Allow policy without rules refuses everyone',
      itemsMax: KIND_LIMITS.rules,
      items: {
        type: 'object',
        description: 'Matches when one entry of `from` and one entry of `to` match; what is left out matches',
        fields: { from: entries('Who calls', source), to: entries('What is called', operation) },
      },
    },
    dryRun: {
      type: 'boolean',
      description: '`true`: say what would have happened, in metrics and log, and change nothing',
      fallback: false,
    },
  },
};

export const ACCESS_POLICY: KindDefinition = {
  kind: 'AccessPolicy',
  plural: 'accesspolicies',
  singular: 'accesspolicy',
  shortNames: ['ap', 'access'],
  description:
    'Who may open connections to which workloads. Without a selector or targets it holds for its whole namespace; in the root namespace for the whole mesh',
  spec,
  status: 'policy',
  columns: [
    { name: 'Action', type: 'string', description: 'Allow, Deny or Audit', jsonPath: '.spec.action' },
    conditionColumn('policy', 'Accepted', 'Whether it is in force'),
    conditionColumn('policy', 'Attached', 'Whether there are workloads that it is for'),
    conditionColumn('policy', 'Acknowledged', 'Whether every node agent has this version'),
    conditionColumn('policy', 'PartiallyEnforced', 'Whether some of what it is for escapes it', 'status', 1),
    conditionColumn('policy', 'ResolvedRefs', 'Whether everything that it names exists', 'status', 1),
    AGE,
  ],
};
