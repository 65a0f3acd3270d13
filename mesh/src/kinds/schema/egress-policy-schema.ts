import { IP_BLOCK_LENGTH_MAX, KIND_LIMITS, UNKNOWN_DESTINATIONS } from '../limits.ts';
import { AGE, conditionColumn, port } from './common-schema.ts';
import type { KindDefinition, ObjectSchema } from './schema.ts';

const spec: ObjectSchema = {
  type: 'object',
  description: 'What workloads of the namespace may call outside the mesh',
  required: ['unknownDestinations'],
  rules: [
    {
      rule: "self.unknownDestinations == 'Refuse' || !has(self.allow)",
      message: 'allow says nothing where everything is allowed: leave it out',
    },
  ],
  fields: {
    unknownDestinations: {
      type: 'text',
      description:
        '`Refuse`: a workload may call only what the mesh knows (workloads, services) and what `allow` names; `Allow`: everything',
      values: UNKNOWN_DESTINATIONS,
      lengthMax: 16,
    },
    allow: {
      type: 'list',
      description: 'Addresses outside the mesh that may be called all the same',
      itemsMax: KIND_LIMITS.egressEntries,
      items: {
        type: 'object',
        description: 'Addresses, and ports there',
        required: ['cidrs'],
        fields: {
          cidrs: {
            type: 'list',
            description: 'Addresses and blocks of them',
            itemsMin: 1,
            itemsMax: KIND_LIMITS.egressBlocks,
            items: {
              type: 'text',
              description: 'An address or a block',
              lengthMin: 1,
              lengthMax: IP_BLOCK_LENGTH_MAX,
              rules: [{ rule: 'isIP(self) || isCIDR(self)', message: 'an IP address or block such as 192.0.2.0/24' }],
            },
          },
          ports: {
            type: 'list',
            description: 'TCP ports there; left out, all',
            itemsMin: 1,
            itemsMax: KIND_LIMITS.egressPorts,
            items: port('A port'),
          },
        },
      },
    },
  },
};

export const EGRESS_POLICY: KindDefinition = {
  kind: 'EgressPolicy',
  plural: 'egresspolicies',
  singular: 'egresspolicy',
  shortNames: ['egress'],
  description:
    'What enrolled workloads may call outside the mesh. That of the namespace counts, without any there that of the mesh (root namespace); of several in one place any `Refuse` counts, and what they allow adds up. Without any, everything may be called',
  spec,
  status: 'policy',
  columns: [
    {
      name: 'Unknown',
      type: 'string',
      description: 'What becomes of unknown destinations',
      jsonPath: '.spec.unknownDestinations',
    },
    conditionColumn('policy', 'Accepted', 'Whether it is in force'),
    conditionColumn('policy', 'Attached', 'Whether there are workloads that it is for'),
    conditionColumn('policy', 'Acknowledged', 'Whether every node agent has this version'),
    conditionColumn('policy', 'PartiallyEnforced', 'Whether some of what it is for escapes it', 'status', 1),
    AGE,
  ],
};
