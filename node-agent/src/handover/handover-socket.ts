import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DescriptorChannel } from '@ambit/mesh/linux';
import { MeshError } from '@ambit/mesh/runtime';
import type { AgentSlot } from '@ambit/mesh/wire';
import { HandoverError } from './handover-message.ts';

/** The directory for hand-overs is not this user's own. */
export class HandoverDirectoryError extends MeshError<'unusable-directory'> {
  override readonly name = 'HandoverDirectoryError';
}

/**
 * Where the agent of this slot listens for its successor. The directory is made, or closed to all but this user. @throws HandoverDirectoryError when it is
 * another's, a Node file system error when it cannot be made.
 */
export function prepareHandoverSocket(directory: string, slot: AgentSlot): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const found = lstatSync(directory);
  if (!found.isDirectory() || found.uid !== ownUserId()) {
    throw new HandoverDirectoryError('unusable-directory', 'the directory for hand-overs belongs to somebody else', {
      data: { directory, owner: found.uid },
    });
  }
  // As the kubelet makes it, everybody may look.
  if ((found.mode & 0o077) !== 0) chmodSync(directory, 0o700);
  return join(directory, `node-agent-${slot}.sock`);
}

/** Only the same user takes sockets from us, and only from the same user we take some. @throws HandoverError `stranger`. */
export function checkHandoverPeer({ peer }: DescriptorChannel): void {
  if (peer.userId === ownUserId()) return;
  throw new HandoverError('stranger', 'another user is at the other end of the hand-over', {
    data: { user: peer.userId, process: peer.processId },
  });
}

function ownUserId(): number {
  return statSync('/proc/self').uid;
}
