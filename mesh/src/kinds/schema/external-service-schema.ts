import {
  EXTERNAL_HOST,
  EXTERNAL_PROTOCOLS,
  HOST_LENGTH_MAX,
  IP_BLOCK_LENGTH_MAX,
  KIND_LIMITS,
  OWN_DOMAINS,
  RESOLUTIONS,
} from '../limits.ts';
import { AGE, conditionColumn, patternText, port } from './common-schema.ts';
import type { KindDefinition, ObjectSchema } from './schema.ts';

const spec: ObjectSchema = {
  type: 'object',
  description: 'Which hosts, and where they are',
  required: ['hosts', 'ports'],
  rules: [
    {
      rule: "(has(self.resolution) && self.resolution == 'Static') ? has(self.endpoints) : true",
      message: 'static endpoints have to be named',
    },
    {
      rule: "(has(self.resolution) && self.resolution == 'None') ? (has(self.addresses) && !has(self.endpoints)) : true",
      message: 'where nothing is resolved addresses are named, and no endpoints',
    },
    {
      rule: `!has(self.endpoints) || self.endpoints.all(e, (has(self.resolution) && self.resolution == 'Static') ? isIP(e.address) : e.address.matches(r'${patternText(EXTERNAL_HOST)}'))`,
      message: 'endpoints are IP addresses with resolution Static, and DNS names in lower case with DNS',
    },
    {
      rule: "!has(self.addresses) || (has(self.resolution) && self.resolution == 'None') || self.addresses.all(a, isIP(a))",
      message: 'blocks of addresses only with resolution None',
    },
  ],
  fields: {
    hosts: {
      type: 'list',
      description: 'Names by which applications call it; each once',
      itemsMin: 1,
      itemsMax: KIND_LIMITS.externalHosts,
      items: {
        type: 'text',
        description: 'A DNS name in lower case',
        lengthMin: 1,
        lengthMax: HOST_LENGTH_MAX,
        pattern: EXTERNAL_HOST,
        rules: [
          {
            rule: OWN_DOMAINS.map((domain) => `!self.endsWith('${domain}')`).join(' && '),
            message: 'no name of the cluster itself',
          },
        ],
      },
    },
    ports: {
      type: 'list',
      description: 'TCP ports that may be called',
      itemsMin: 1,
      itemsMax: KIND_LIMITS.externalPorts,
      uniqueBy: 'port',
      items: {
        type: 'object',
        description: 'One port',
        required: ['port'],
        fields: {
          port: port('The port that applications call'),
          targetPort: port('The port there; left out, the same'),
          protocol: {
            type: 'text',
            description: 'What is spoken there, for who reads it',
            values: EXTERNAL_PROTOCOLS,
            lengthMax: 16,
            fallback: 'TCP',
          },
        },
      },
    },
    resolution: {
      type: 'text',
      description:
        '`DNS`: node agents resolve the host, or the names in `endpoints`, and connect to what they get; `Static`: to the addresses in `endpoints`; `None`: to the very address that was called, one of `addresses`',
      values: RESOLUTIONS,
      lengthMax: 16,
      fallback: 'DNS',
    },
    addresses: {
      type: 'list',
      description:
        'Addresses by which it is called; with `None` also blocks. Left out with `DNS` and `Static`, each host gets an address of 240.240.0.0/16 and one of 2001:2::/48, which captured DNS answers with',
      itemsMin: 1,
      itemsMax: KIND_LIMITS.externalAddresses,
      items: {
        type: 'text',
        description: 'An address or a block',
        lengthMin: 1,
        lengthMax: IP_BLOCK_LENGTH_MAX,
        rules: [{ rule: 'isIP(self) || isCIDR(self)', message: 'an IP address or block such as 192.0.2.0/24' }],
      },
    },
    endpoints: {
      type: 'list',
      description: 'Where it is: addresses with `Static`, names with `DNS`',
      itemsMin: 1,
      itemsMax: KIND_LIMITS.externalEndpoints,
      uniqueBy: 'address',
      items: {
        type: 'object',
        description: 'One place',
        required: ['address'],
        fields: {
          address: {
            type: 'text',
            description: 'An IP address or a DNS name',
            lengthMin: 1,
            lengthMax: HOST_LENGTH_MAX,
          },
          weight: {
            type: 'integer',
            description: 'Its share of new connections, relative to the others',
            min: 1,
            max: KIND_LIMITS.weight,
            fallback: 1,
          },
        },
      },
    },
  },
};

export const EXTERNAL_SERVICE: KindDefinition = {
  kind: 'ExternalService',
  plural: 'externalservices',
  singular: 'externalservice',
  shortNames: ['es'],
  description:
    'Hosts outside the mesh that workloads of its namespace call, also where egress is locked; in the root namespace those of the whole mesh',
  spec,
  status: 'object',
  columns: [
    { name: 'Host', type: 'string', description: 'Its first host', jsonPath: '.spec.hosts[0]' },
    { name: 'Resolution', type: 'string', description: 'How it is found', jsonPath: '.spec.resolution' },
    conditionColumn('object', 'Accepted', 'Whether it is part of the mesh'),
    conditionColumn('object', 'Acknowledged', 'Whether every node agent has this version'),
    conditionColumn('object', 'PartiallyEnforced', 'Whether another one has some of its hosts', 'status', 1),
    AGE,
  ],
};
