import { constants } from 'node:crypto';
import tls, { type SecureContext, type SecureContextOptions } from 'node:tls';
import { bug } from '../runtime/errors.ts';
import type { Svid } from './svid.ts';

/** The suites every mesh peer speaks, strongest first. */
export const TLS_CIPHERS = 'TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256';
/** Key exchange groups: hybrid post-quantum first, then what every peer has. */
export const TLS_GROUPS = 'X25519MLKEM768:X25519:P-256';

/** Settings shared by every TLS endpoint of Ambit, tunnels and control plane alike. */
export const secureContextDefaults: Readonly<SecureContextOptions> = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: TLS_CIPHERS,
  ecdhCurve: TLS_GROUPS,
  // No session is ever resumed: a peer proves its current certificate on each connection. In TLS 1.3 this option also
  // turns tickets into bare session numbers, which nobody stores.
  secureOptions: constants.SSL_OP_NO_TICKET,
};

const contexts = new WeakMap<Svid, SecureContext>();
const optionsOfContext = new WeakMap<SecureContext, SecureContextOptions>();

/**
 * The TLS context that presents `svid` and trusts its bundle, for servers and clients alike. Made once per Svid object
 * and thread; it lives as long as the Svid is referenced.
 */
export function secureContextOf(svid: Svid): SecureContext {
  let context = contexts.get(svid);
  if (context === undefined) {
    const options: SecureContextOptions = {
      ...secureContextDefaults,
      key: svid.privateKeyPem,
      cert: svid.chainPem,
      ca: [...svid.trustBundle.rootsPem],
    };
    context = tls.createSecureContext(options);
    contexts.set(svid, context);
    optionsOfContext.set(context, options);
  }
  return context;
}

/** What a context of `secureContextOf` was made from, for the one API of Node that takes no context. */
export function secureContextOptionsOf(context: SecureContext): SecureContextOptions {
  return optionsOfContext.get(context) ?? bug('a secure context that was not made from an SVID');
}
