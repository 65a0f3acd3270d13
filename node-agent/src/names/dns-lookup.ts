import { promises } from 'node:dns';
import { parseIpAddress } from '@ambit/mesh/model';
import type { LookUpName, NamedAddress } from './resolved-names.ts';

const ATTEMPT_TIMEOUT_MS = 1500;
const ATTEMPTS = 2;

/** Asks the name servers of the agent itself (resolv.conf), from where the agent runs; names are taken as whole. */
export function createDnsLookup(servers?: readonly string[]): LookUpName {
  const resolver = new promises.Resolver({ timeout: ATTEMPT_TIMEOUT_MS, tries: ATTEMPTS });
  if (servers !== undefined) resolver.setServers([...servers]);
  return async (hostname) => {
    const answers = await Promise.allSettled([
      resolver.resolve4(hostname, { ttl: true }),
      resolver.resolve6(hostname, { ttl: true }),
    ]);
    const found: NamedAddress[] = [];
    for (const answer of answers) {
      if (answer.status === 'rejected') continue;
      for (const { address, ttl } of answer.value) found.push({ ip: parseIpAddress(address), ttlMs: ttl * 1000 });
    }
    const failed = answers.find((answer) => answer.status === 'rejected');
    if (found.length === 0 && failed !== undefined) throw failed.reason;
    return found;
  };
}
