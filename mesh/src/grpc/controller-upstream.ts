import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { ControllerUpstream } from '../upstream/upstream-settings.ts';
import type { ControllerAccess } from './controller-access.ts';
import { openNodeAccess } from './node-access.ts';
import type { SvidStore } from './svid-store.ts';
import { createTokenAccess, watchRoots } from './token-access.ts';

/** What access needs of the process that asks for it. */
export interface AccessOptions {
  /** Name of the node that joins, where no bearer token is used. */
  readonly node: string;
  /** Of every call. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Gets what goes on until `signal` aborts. */
  readonly running: Promise<void>[];
}

/** By bearer token where one is configured, else by this node's own certificate. */
export async function openControllerAccess(
  upstream: ControllerUpstream,
  options: AccessOptions,
): Promise<ControllerAccess> {
  const { address, serverName, bearer } = upstream;
  return bearer === undefined
    ? openNodeAccess(upstream, options)
    : createTokenAccess({ address, serverName, headers: options.headers, ...bearer });
}

/** Every certificate is renewed whenever the roots that came with a bearer token have become others. */
export function renewWithRoots(
  { bearer }: ControllerUpstream,
  svids: Pick<SvidStore, 'renewAll'>,
  { clock, logger, signal, running }: Pick<AccessOptions, 'clock' | 'logger' | 'signal' | 'running'>,
): void {
  if (bearer === undefined) return;
  const renew = (): void => {
    logger.info('the roots of the mesh have changed, every certificate is renewed');
    svids.renewAll();
  };
  running.push(watchRoots(bearer.rootFile, clock, renew, signal));
}
