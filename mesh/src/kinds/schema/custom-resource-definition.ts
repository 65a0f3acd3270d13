import { AMBIT_DOMAIN } from '../labels.ts';
import { ACCESS_POLICY } from './access-policy-schema.ts';
import { patternText } from './common-schema.ts';
import { EGRESS_POLICY } from './egress-policy-schema.ts';
import { EXTERNAL_SERVICE } from './external-service-schema.ts';
import { EXTERNAL_WORKLOAD } from './external-workload-schema.ts';
import { MUTUAL_TLS_POLICY } from './mutual-tls-policy-schema.ts';
import type { KindDefinition, Schema } from './schema.ts';
import { statusSchema } from './status-schema.ts';

type Json = Readonly<Record<string, unknown>>;

const VERSION = 'v1alpha1';
/** `kubectl get ambit` lists them all. */
const CATEGORY = 'ambit';

/** Ambit's own kinds, in the order of the reference. */
export const AMBIT_KINDS: readonly KindDefinition[] = [
  ACCESS_POLICY,
  MUTUAL_TLS_POLICY,
  EGRESS_POLICY,
  EXTERNAL_SERVICE,
  EXTERNAL_WORKLOAD,
];

/** What the API server is told about a kind: an apiextensions.k8s.io/v1 CustomResourceDefinition. */
export function customResourceDefinition(definition: KindDefinition): Json {
  const { kind, plural, singular, shortNames, columns, status } = definition;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${AMBIT_DOMAIN}` },
    spec: {
      group: AMBIT_DOMAIN,
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural, singular, shortNames, categories: [CATEGORY] },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: sentence(definition.description),
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: openApi(definition.spec),
                status: statusSchema(status),
              },
            },
          },
        },
      ],
    },
  };
}

/**
 * A schema as structural OpenAPI. Fields that it does not name are kept rather than dropped, so that the webhook and the
 * controller see a misspelt condition and refuse it: dropped, it would make a policy wider than it was meant.
 */
function openApi(schema: Schema): Json {
  const common = {
    description: sentence(schema.description),
    ...(schema.rules === undefined ? {} : { 'x-kubernetes-validations': schema.rules }),
  };
  switch (schema.type) {
    case 'object':
      return {
        type: 'object',
        ...common,
        'x-kubernetes-preserve-unknown-fields': true,
        ...(schema.required === undefined ? {} : { required: schema.required }),
        properties: Object.fromEntries(Object.entries(schema.fields).map(([name, field]) => [name, openApi(field)])),
      };
    case 'map':
      return {
        type: 'object',
        ...common,
        maxProperties: schema.entriesMax,
        additionalProperties: openApi(schema.values),
      };
    case 'list':
      return {
        type: 'array',
        ...common,
        ...(schema.itemsMin === undefined ? {} : { minItems: schema.itemsMin }),
        maxItems: schema.itemsMax,
        ...(schema.uniqueBy === undefined
          ? { 'x-kubernetes-list-type': 'atomic' }
          : { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [schema.uniqueBy] }),
        items: openApi(schema.items),
      };
    case 'text':
      return {
        type: 'string',
        ...common,
        ...(schema.values === undefined ? {} : { enum: schema.values }),
        ...(schema.pattern === undefined ? {} : { pattern: patternText(schema.pattern) }),
        ...(schema.lengthMin === undefined ? {} : { minLength: schema.lengthMin }),
        maxLength: schema.lengthMax,
      };
    case 'integer':
      return { type: 'integer', ...common, minimum: schema.min, maximum: schema.max };
    case 'boolean':
      return { type: 'boolean', ...common };
  }
}

/** `kubectl explain` shows plain text: without Markdown's marks, with a full stop. */
function sentence(description: string): string {
  return `${description.replaceAll(/`|\*\*/g, '')}.`;
}
