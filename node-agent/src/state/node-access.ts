import { readFile } from 'node:fs/promises';
import { type ControllerAccess, GrpcError, openNodeIdentity } from '@ambit/mesh/grpc';
import { createBackoff } from '@ambit/mesh/runtime';
import { openPrivateDirectory } from '@ambit/mesh/tls';
import type { AgentParts } from '../app.ts';
import type { Upstream } from '../config.ts';

const JOIN_BACKOFF = { initialMs: 200, maxMs: 15_000, factor: 2, jitter: 0.2 } as const;

/**
 * Access by this node's own certificate, which joining gives it and which is kept renewed by a task added to `running`. Resolves
 * once the node has one; rejects when it cannot get one.
 */
export async function openNodeAccess(
  { config, clock, logger }: AgentParts,
  upstream: Upstream & { readonly kind: 'controller' },
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  running: Promise<void>[],
): Promise<ControllerAccess> {
  const { address, joinTokenFile, stateDirectory } = upstream;
  const state = openPrivateDirectory(stateDirectory);
  const scoped = logger.child({ scope: 'identity' });
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
        node: config.nodeName,
        state,
        clock,
        logger: scoped,
        signal,
      });
      if (identity.node !== config.nodeName)
        throw new GrpcError('failed-precondition', {
          data: { reason: 'joined as another node', node: identity.node, configured: config.nodeName },
        });
      running.push(identity.keepRenewed(signal));
      return { ...identity.access, headers };
    } catch (error) {
      if (unreadable !== undefined)
        scoped.error('join token cannot be read', { path: joinTokenFile, error: unreadable });
      else if (token !== undefined && error instanceof GrpcError && error.code === 'invalid-argument')
        scoped.error('join token cannot be used', { path: joinTokenFile });
      if (!(error instanceof GrpcError) || !error.retryable) throw error;
      scoped.warn('node could not join yet, will try again', { error });
      await clock.sleep(backoff.nextMs(), signal);
    }
  }
}
