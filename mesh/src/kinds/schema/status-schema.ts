import type { StatusStyle } from './schema.ts';

type Json = Readonly<Record<string, unknown>>;

/** Of one object's conditions, and of the objects that one policy reports about. */
const CONDITIONS_MAX = 8;
const ANCESTORS_MAX = 16;

/** Status as the Gateway API writes it: conditions, for a policy once per object that it is attached to. */
export function statusSchema(style: StatusStyle): Json {
  const description = 'What became of it. Written by the Ambit controller.';
  if (style === 'object') return { type: 'object', description, properties: { conditions: CONDITIONS } };
  return {
    type: 'object',
    description,
    properties: {
      ancestors: {
        type: 'array',
        description: 'The objects that this policy is attached to.',
        maxItems: ANCESTORS_MAX,
        'x-kubernetes-list-type': 'atomic',
        items: {
          type: 'object',
          required: ['ancestorRef', 'controllerName', 'conditions'],
          properties: { ancestorRef: ANCESTOR_REF, controllerName: text(253), conditions: CONDITIONS },
        },
      },
    },
  };
}

function text(maxLength: number, more: Json = {}): Json {
  return { type: 'string', maxLength, ...more };
}

const ANCESTOR_REF: Json = {
  type: 'object',
  description: 'A namespace, or a target by name.',
  required: ['kind', 'name'],
  properties: {
    group: text(253),
    kind: text(63, { minLength: 1 }),
    namespace: text(63),
    name: text(253, { minLength: 1 }),
  },
};

const CONDITIONS: Json = {
  type: 'array',
  description: 'One per type.',
  maxItems: CONDITIONS_MAX,
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
  items: {
    type: 'object',
    required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
    properties: {
      type: text(316, { minLength: 1 }),
      status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
      reason: text(1024, { minLength: 1 }),
      message: text(32_768, { description: 'For people.' }),
      lastTransitionTime: {
        type: 'string',
        format: 'date-time',
        description: 'When the status last changed.',
      },
      observedGeneration: {
        type: 'integer',
        format: 'int64',
        minimum: 0,
        description: 'The generation of the object that this is about.',
      },
    },
  },
};
