import { FieldReader, type RawObject } from '@ambit/mesh/kinds';

/**
 * What to apply so that every webhook of a ValidatingWebhookConfiguration has these roots, and nothing else; null when all
 * have. @throws KindError when it is no such configuration.
 */
export function decideCaBundle(configuration: RawObject, caBundle: string): RawObject {
  const reader = new FieldReader(configuration);
  const webhooks = reader.objects('webhooks', (webhook) => ({
    name: webhook.text('name'),
    caBundle: webhook.object('clientConfig')?.text('caBundle', '') ?? '',
  }));
  if (webhooks.every((webhook) => webhook.caBundle === caBundle)) return null;
  return {
    apiVersion: reader.text('apiVersion'),
    kind: reader.text('kind'),
    metadata: { name: reader.object('metadata')?.text('name') },
    webhooks: webhooks.map(({ name }) => ({ name, clientConfig: { caBundle } })),
  };
}
