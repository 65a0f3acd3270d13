import { IP_ADDRESS_LENGTH_MAX, KIND_LIMITS, TUNNELS } from '../limits.ts';
import { AGE, conditionColumn, labelText, objectName, port } from './common-schema.ts';
import type { KindDefinition, ObjectSchema } from './schema.ts';

const spec: ObjectSchema = {
  type: 'object',
  description: 'Where the machine is and what it is',
  required: ['addresses'],
  fields: {
    addresses: {
      type: 'list',
      description: 'Its IP addresses; at least one',
      itemsMin: 1,
      itemsMax: KIND_LIMITS.addresses,
      items: {
        type: 'text',
        description: 'An address',
        lengthMin: 1,
        lengthMax: IP_ADDRESS_LENGTH_MAX,
        rules: [{ rule: 'isIP(self)', message: 'an IPv4 or IPv6 address, without a prefix length or port' }],
      },
    },
    serviceAccountName: {
      ...objectName("Its identity's service account, in this namespace", 'a service account'),
      fallback: 'default',
    },
    services: {
      type: 'list',
      description: 'Services of this namespace that it backs, beside those that select its labels',
      itemsMax: KIND_LIMITS.services,
      items: objectName('A Service', 'a Service in this namespace'),
    },
    ports: {
      type: 'list',
      description: 'What named target ports of those Services mean on it',
      itemsMax: KIND_LIMITS.workloadPorts,
      uniqueBy: 'name',
      items: {
        type: 'object',
        description: 'A name and its port',
        required: ['name', 'port'],
        fields: {
          name: {
            type: 'text',
            description: 'As in the targetPort of a Service',
            lengthMin: 1,
            lengthMax: KIND_LIMITS.portNameLength,
          },
          port: port('The port there'),
        },
      },
    },
    tunnel: {
      type: 'text',
      description: '`HBONE` when it is reached by tunnel because a node agent runs there, `None` in plaintext',
      values: TUNNELS,
      lengthMax: 16,
      fallback: 'None',
    },
    network: labelText('The network that it is in; left out, its namespace says'),
    nodeName: objectName('Name of the host, as its node agent authenticates', 'a host'),
    locality: {
      type: 'object',
      description: 'Where it is, for choosing near endpoints',
      fields: { region: labelText('Region'), zone: labelText('Zone'), subzone: labelText('Part of the zone') },
    },
    ready: { type: 'boolean', description: 'Whether it serves', fallback: true },
    weight: {
      type: 'integer',
      description: 'Its share of new connections, relative to the others of a Service',
      min: 1,
      max: KIND_LIMITS.weight,
      fallback: 1,
    },
  },
};

export const EXTERNAL_WORKLOAD: KindDefinition = {
  kind: 'ExternalWorkload',
  plural: 'externalworkloads',
  singular: 'externalworkload',
  shortNames: ['ew'],
  description:
    'A machine outside Kubernetes that takes part: as a destination, and with an identity of its own when it runs a node agent',
  spec,
  status: 'object',
  columns: [
    { name: 'Address', type: 'string', description: 'Its first address', jsonPath: '.spec.addresses[0]' },
    { name: 'Tunnel', type: 'string', description: 'How it is reached', jsonPath: '.spec.tunnel' },
    conditionColumn('object', 'Accepted', 'Whether it is part of the mesh'),
    conditionColumn('object', 'Acknowledged', 'Whether every node agent has this version'),
    conditionColumn('object', 'ResolvedRefs', 'Whether everything that it names exists', 'status', 1),
    AGE,
  ],
};
