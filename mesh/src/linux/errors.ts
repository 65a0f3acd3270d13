import { getSystemErrorName } from 'node:util';
import { MeshError, type MeshErrorOptions } from '../runtime/errors.ts';

/**
 * `unsupported-platform`: not Linux, or not a 64-bit little-endian one. `syscall-failed`: see `syscall` and `errno`.
 * `channel-closed`: this end of a descriptor channel was closed. `message-too-large`, `message-truncated`,
 * `too-many-descriptors`: a peer, or a caller, broke the limits of a descriptor channel.
 * `malformed-answer`: the kernel answered what it should not.
 * `internals-changed`: this Node no longer has the internals that `node-internals.ts` relies on.
 */
export type LinuxErrorCode =
  | 'unsupported-platform'
  | 'syscall-failed'
  | 'channel-closed'
  | 'message-too-large'
  | 'message-truncated'
  | 'too-many-descriptors'
  | 'malformed-answer'
  | 'internals-changed';

const messages = {
  'unsupported-platform': 'this needs a 64-bit little-endian Linux',
  'syscall-failed': 'a system call failed',
  'channel-closed': 'the descriptor channel is closed',
  'message-too-large': 'the message exceeds the size limit of a descriptor channel',
  'message-truncated': 'the peer sent a message above the size limit of a descriptor channel',
  'too-many-descriptors': 'the peer sent more than one descriptor with a message',
  'malformed-answer': 'the answer of the kernel is not what was asked for',
  'internals-changed': 'this version of Node lacks internals that namespaced sockets need',
} satisfies Record<LinuxErrorCode, string>;

/** Any failure of mesh/linux. */
export class LinuxError extends MeshError<LinuxErrorCode> {
  override readonly name: string = 'LinuxError';

  constructor(code: LinuxErrorCode, options: MeshErrorOptions = {}) {
    super(code, messages[code], options);
  }
}

/** A system call returned an error. `errno` is its symbolic name, such as `EADDRINUSE`. */
export class SyscallError extends LinuxError {
  override readonly name: string = 'SyscallError';
  readonly syscall: string;
  readonly errno: string;

  /** `errorNumber` as the kernel reports it, positive. */
  constructor(syscall: string, errorNumber: number, data: Readonly<Record<string, string | number | boolean>> = {}) {
    const errno = errnoName(errorNumber);
    super('syscall-failed', { data: { syscall, errno, ...data }, retryable: retryableErrnos.has(errno) });
    this.syscall = syscall;
    this.errno = errno;
  }
}

// Shortage that passes, and peers that are not there yet.
const retryableErrnos: ReadonlySet<string> = new Set([
  'EAGAIN',
  'EINTR',
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'ECONNREFUSED',
  'ENOENT',
]);

function errnoName(errorNumber: number): string {
  try {
    return getSystemErrorName(-errorNumber);
  } catch {
    // Numbers that libuv does not name, for example ENOKEY.
    return `E${errorNumber}`;
  }
}
