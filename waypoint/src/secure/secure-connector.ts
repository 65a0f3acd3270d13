import type { PortSecurity } from '@ambit/mesh/routes';
import type { Clock } from '@ambit/mesh/runtime';
import type { Connector } from '../upstream/connector.ts';
import { SecureError } from './errors.ts';
import { openSecure } from './open-secure.ts';

/** The same connector, secured as a policy asks for; null: as it is. A policy that is not usable closes it. */
export function secureConnector(connector: Connector, security: PortSecurity | null, clock: Clock): Connector {
  if (security === null) return connector;
  if (security.kind === 'invalid') return { open: () => Promise.reject(new SecureError('closed', security.reason)) };
  return {
    async open(signal, protocol = null) {
      return openSecure(await connector.open(signal), security, protocol, signal, clock);
    },
  };
}
