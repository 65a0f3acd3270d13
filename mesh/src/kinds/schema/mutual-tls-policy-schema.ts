import { KIND_LIMITS } from '../limits.ts';
import { AGE, conditionColumn, mutualTlsMode, port, SELECTOR } from './common-schema.ts';
import type { KindDefinition, ObjectSchema } from './schema.ts';

const spec: ObjectSchema = {
  type: 'object',
  description: 'Whether plaintext is refused, and for which workloads',
  rules: [
    { rule: 'has(self.mode) || has(self.ports)', message: 'a mode (Strict or Permissive), or ports with their own' },
    {
      rule: '!has(self.ports) || has(self.selector)',
      message: 'ports need a selector that says whose they are; without one only a mode may be given',
    },
  ],
  fields: {
    selector: SELECTOR,
    mode: mutualTlsMode(
      "`Strict`: callers without a mesh identity are refused; `Permissive`: they are not. May be left out when `ports` says something; then the wider policy's mode holds",
    ),
    ports: {
      type: 'list',
      description: 'Other modes for single ports; only with a selector',
      itemsMin: 1,
      itemsMax: KIND_LIMITS.portModes,
      uniqueBy: 'port',
      items: {
        type: 'object',
        description: 'The mode of one port',
        required: ['port', 'mode'],
        fields: {
          port: port('The port that the application listens on'),
          mode: mutualTlsMode('As above, for this port'),
        },
      },
    },
  },
};

export const MUTUAL_TLS_POLICY: KindDefinition = {
  kind: 'MutualTLSPolicy',
  plural: 'mutualtlspolicies',
  singular: 'mutualtlspolicy',
  shortNames: ['mtls'],
  description:
    'Whether plaintext may reach a workload. The most specific policy counts: selector, then namespace, then mesh (root namespace); of equals the oldest. Without any, plaintext is accepted',
  spec,
  status: 'policy',
  columns: [
    { name: 'Mode', type: 'string', description: 'Strict or Permissive', jsonPath: '.spec.mode' },
    conditionColumn('policy', 'Accepted', 'Whether it is in force'),
    conditionColumn('policy', 'Attached', 'Whether there are workloads that it is for'),
    conditionColumn('policy', 'Acknowledged', 'Whether every node agent has this version'),
    conditionColumn('policy', 'PartiallyEnforced', 'Whether some of what it is for escapes it', 'status', 1),
    AGE,
  ],
};
