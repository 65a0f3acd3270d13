import { closeSync } from 'node:fs';
import { LinuxError, SyscallError } from './errors.ts';
import { type NetnsHandle, runInNetns } from './netns.ts';
import { AF_NETLINK, checked, libc, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_RAW } from './syscalls.ts';

// linux/netlink.h, linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h and nf_tables.h.
const NETLINK_NETFILTER = 12;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLMSG_ERROR = 2;
const CONNTRACK_DELETE = (1 << 8) | 2;
const NFTABLES_NEW_GENERATION = (10 << 8) | 15;
const NFTABLES_GET_GENERATION = (10 << 8) | 16;
const GENERATION_ID_ATTRIBUTE = 1;
/** nlmsghdr, and with it the nfgenmsg that every request here consists of. */
const HEADER_BYTES = 16;
const REQUEST_BYTES = HEADER_BYTES + 4;
const ANSWER_BYTES_MAX = 4096;

/**
 * Makes the kernel forget every connection it tracks in `netns`: what is still open begins anew, in its middle, with its next
 * packet. @throws SyscallError; `EOPNOTSUPP` or `EINVAL` when the kernel has no interface for that.
 */
export function forgetTrackedConnections(netns: NetnsHandle): void {
  ask(netns, CONNTRACK_DELETE, NLM_F_ACK);
}

/**
 * Number of the nftables rules of `netns`, which changes with every change of any of them. @throws SyscallError,
 * LinuxError `malformed-answer`.
 */
export function readRulesetGeneration(netns: NetnsHandle): number {
  const answer = ask(netns, NFTABLES_GET_GENERATION, 0);
  for (let at = REQUEST_BYTES; at + 8 <= answer.length; ) {
    const length = answer.readUInt16LE(at);
    if (answer.readUInt16LE(at + 2) === GENERATION_ID_ATTRIBUTE && length === 8) return answer.readUInt32BE(at + 4);
    // Attributes are padded to four bytes; one shorter than its own header would never end the loop.
    at += Math.max(4, (length + 3) & ~3);
  }
  throw new LinuxError('malformed-answer', { data: { request: 'generation of the ruleset' } });
}

/** The first message of the answer. The kernel answers such requests before `send` returns. */
function ask(netns: NetnsHandle, type: number, flags: number): Buffer {
  const fd = runInNetns(netns, () =>
    checked('socket', libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)),
  );
  try {
    const request = Buffer.alloc(REQUEST_BYTES);
    request.writeUInt32LE(REQUEST_BYTES, 0);
    request.writeUInt16LE(type, 4);
    request.writeUInt16LE(NLM_F_REQUEST | flags, 6);
    checked('send', libc().send(fd, request, request.length, 0));
    const buffer = Buffer.alloc(ANSWER_BYTES_MAX);
    const answer = buffer.subarray(0, checked('recv', libc().recv(fd, buffer, buffer.length, MSG_DONTWAIT)));
    const kind = answer.length < REQUEST_BYTES ? -1 : answer.readUInt16LE(4);
    if (kind === NLMSG_ERROR) {
      const errno = -answer.readInt32LE(HEADER_BYTES);
      if (errno !== 0) throw new SyscallError('netlink', errno);
    } else if (kind !== NFTABLES_NEW_GENERATION) {
      throw new LinuxError('malformed-answer', { data: { request: type, answer: kind } });
    }
    return answer;
  } finally {
    closeSync(fd);
  }
}
