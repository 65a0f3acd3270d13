import type { SpiffeId } from '@ambit/mesh/model';

/** Says who the client is, to servers that believe it: from us or from nobody. */
export const CLIENT_CERTIFICATE: string = 'x-forwarded-client-cert';

/** What it says, in Envoy's form: `By`, whose certificate the client was shown, and `URI`, what its own names. Neither needs quotes. */
export function clientCertificate(own: SpiffeId, client: SpiffeId): string {
  return `By=${own};URI=${client}`;
}
