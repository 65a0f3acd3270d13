import { readFile } from 'node:fs/promises';
import { createBackoff } from '../runtime/backoff.ts';
import { openPrivateDirectory } from '../tls/private-directory.ts';
import type { ControllerAccess } from './controller-access.ts';
import type { ControllerUpstream } from '../upstream/upstream-settings.ts';
import type { AccessOptions } from './controller-upstream.ts';
import { GrpcError } from './errors.ts';
import { openNodeIdentity } from './node-identity.ts';

const JOIN_BACKOFF = { initialMs: 200, maxMs: 15_000, factor: 2, jitter: 0.2 } as const;

/**
 * Access by this node's own certificate, which joining gives it and which is kept renewed by a task added to `running`. Resolves
 * once the node has one; rejects when it cannot get one.
 */
export async function openNodeAccess(
  { address, joinTokenFile, stateDirectory }: Pick<ControllerUpstream, 'address' | 'joinTokenFile' | 'stateDirectory'>,
  { node, headers, clock, logger, signal, running }: AccessOptions,
): Promise<ControllerAccess> {
  const state = openPrivateDirectory(stateDirectory);
  const backoff = createBackoff(JOIN_BACKOFF);
  for (;;) {
    let unreadable: unknown;
    const token =
      joinTokenFile === undefined
        ? undefined
        : await readFile(joinTokenFile, 'utf8').then(
            (text) => text.trim(),
            (error: unknown) => {
              // It may be deleted once the node has joined; openNodeIdentity knows whether it is still needed.
              unreadable = error;
              return undefined;
            },
          );
    try {
      const identity = await openNodeIdentity({
        address,
        ...(token === undefined ? {} : { token }),
        node,
        state,
        clock,
        logger,
        signal,
      });
      if (identity.node !== node)
        throw new GrpcError('failed-precondition', {
          data: { reason: 'joined as another node', node: identity.node, configured: node },
        });
      running.push(identity.keepRenewed(signal));
      return { ...identity.access, headers };
    } catch (error) {
      if (unreadable !== undefined)
        logger.error('join token cannot be read', { path: joinTokenFile, error: unreadable });
      else if (token !== undefined && error instanceof GrpcError && error.code === 'invalid-argument')
        logger.error('join token cannot be used', { path: joinTokenFile });
      if (!(error instanceof GrpcError) || !error.retryable) throw error;
      logger.warn('node could not join yet, will try again', { error });
      await clock.sleep(backoff.nextMs(), signal);
    }
  }
}
