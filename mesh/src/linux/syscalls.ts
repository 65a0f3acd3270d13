import { arch, endianness, platform } from 'node:os';
import koffi from 'koffi';
import { bug } from '../runtime/errors.ts';
import { LinuxError, SyscallError } from './errors.ts';

// From the kernel's UAPI headers; equal on x86-64 and arm64, the platforms `libc()` lets through.
export const CLONE_FS = 0x200;
export const CLONE_NEWNS = 0x20000;
export const CLONE_NEWNET = 0x40000000;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_IP = 0;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const SOL_SOCKET = 1;
export const SOL_IPV6 = 41;
export const SO_REUSEADDR = 2;
export const SO_REUSEPORT = 15;
export const SO_PEERCRED = 17;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_ACCEPTCONN = 30;
export const SO_RCVBUFFORCE = 33;
export const SO_MARK = 36;
export const IP_TRANSPARENT = 19;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPV6_V6ONLY = 26;
export const IPV6_TRANSPARENT = 75;
export const SO_ORIGINAL_DST = 80;
export const IP6T_SO_ORIGINAL_DST = 80;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const SCM_RIGHTS = 1;
export const EINTR = 4;
export const EAGAIN = 11;
export const EISCONN = 106;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const EAFNOSUPPORT = 97;

/**
 * The system calls Node lacks, nothing above them. Every function returns its result, or the negated errno (as the
 * kernel does), so that an expected error costs no exception; `checked` turns the rest into one. Buffers are read or
 * written during the call only.
 */
export interface Binding {
  /** Moves the calling thread, and only it, into the namespace behind `fd`. */
  setns(fd: number, kind: number): number;
  unshare(kinds: number): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, flags: number): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number;
  /** `length` is in and out. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint32Array): number;
  getsockname(fd: number, address: Uint8Array, length: Uint32Array): number;
  getpeername(fd: number, address: Uint8Array, length: Uint32Array): number;
  /** `header` is a msghdr whose pointers come from `addressOf`. */
  sendmsg(fd: number, header: Uint8Array, flags: number): number;
  recvmsg(fd: number, header: Uint8Array, flags: number): number;
  send(fd: number, buffer: Uint8Array, length: number, flags: number): number;
  recv(fd: number, buffer: Uint8Array, length: number, flags: number): number;
  /** As `send`, of memory at an address: it is the caller's to keep it alive and in its place. */
  sendAt(fd: number, address: number, length: number, flags: number): number;
  recvAt(fd: number, address: number, length: number, flags: number): number;
  sendto(
    fd: number,
    buffer: Uint8Array,
    length: number,
    flags: number,
    address: Uint8Array,
    addressLength: number,
  ): number;
  /** `messages` holds `count` mmsghdr whose pointers come from `addressOf`. Returns how many datagrams were read. */
  recvmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number;
  /** As `recvmmsg`; returns how many datagrams were sent, from the first. */
  sendmmsg(fd: number, messages: Uint8Array, count: number, flags: number): number;
  epollCreate(flags: number): number;
  /** `event` is an epoll_event. */
  epollControl(epollFd: number, operation: number, fd: number, event: Uint8Array): number;
  /** Fills `events` with at most `count` epoll_event and returns how many. */
  epollWait(epollFd: number, events: Uint8Array, count: number, timeoutMs: number): number;
  close(fd: number): number;
  /** With close-on-exec set. */
  dup(fd: number): number;
  /** The address of a buffer's first byte, for structures that hold pointers. The caller keeps the buffer alive. */
  addressOf(buffer: Uint8Array): bigint;
  /** Ends the process at once, from any thread, without running anything more. */
  abort(): never;
  /**
   * Calls back from the event loop of this thread while a non-blocking `fd` is ready for what is wanted (initially
   * nothing). The event loop stays alive while something is wanted. What the callback throws is uncaught. Close it before `fd`.
   */
  watch(fd: number, callback: () => void): Watch;
}

export interface Watch {
  want(readable: boolean, writable: boolean): void;
  close(): void;
}

const F_DUPFD_CLOEXEC = 1030;

let binding: Binding | null = null;

/** The binding of this thread. @throws LinuxError `unsupported-platform`. */
export function libc(): Binding {
  binding ??= loadBinding();
  return binding;
}

/** `result`, unless it is a negated errno: then @throws SyscallError. */
export function checked(syscall: string, result: number): number {
  if (result < 0) throw new SyscallError(syscall, -result);
  return result;
}

function loadBinding(): Binding {
  const supportedCpu = arch() === 'x64' || arch() === 'arm64';
  if (platform() !== 'linux' || !supportedCpu || endianness() !== 'LE') {
    throw new LinuxError('unsupported-platform', { data: { platform: platform(), cpu: arch() } });
  }
  // The symbols of the running program, which include its C library whatever that is called.
  const program = koffi.load(null);
  const setns = program.func('int setns(int fd, int kind)');
  const unshare = program.func('int unshare(int kinds)');
  const socket = program.func('int socket(int family, int type, int protocol)');
  const bind = program.func('int bind(int fd, const void *address, uint32_t length)');
  const connect = program.func('int connect(int fd, const void *address, uint32_t length)');
  const listen = program.func('int listen(int fd, int backlog)');
  const accept4 = program.func('int accept4(int fd, void *address, void *length, int flags)');
  const setsockopt = program.func('int setsockopt(int fd, int level, int option, const void *value, uint32_t length)');
  const getsockopt = program.func('int getsockopt(int fd, int level, int option, void *value, void *length)');
  const getsockname = program.func('int getsockname(int fd, void *address, void *length)');
  const getpeername = program.func('int getpeername(int fd, void *address, void *length)');
  const sendmsg = program.func('intptr_t sendmsg(int fd, const void *header, int flags)');
  const recvmsg = program.func('intptr_t recvmsg(int fd, void *header, int flags)');
  const send = program.func('intptr_t send(int fd, const void *buffer, size_t length, int flags)');
  const sendAt = program.func('intptr_t send(int fd, uintptr_t address, size_t length, int flags)');
  const recvAt = program.func('intptr_t recv(int fd, uintptr_t address, size_t length, int flags)');
  const recv = program.func('intptr_t recv(int fd, void *buffer, size_t length, int flags)');
  const sendto = program.func(
    'intptr_t sendto(int fd, const void *buffer, size_t length, int flags, const void *address, uint32_t size)',
  );
  const recvmmsg = program.func('int recvmmsg(int fd, void *messages, uint32_t count, int flags, void *timeout)');
  const sendmmsg = program.func('int sendmmsg(int fd, void *messages, uint32_t count, int flags)');
  const epollCreate = program.func('int epoll_create1(int flags)');
  const epollControl = program.func('int epoll_ctl(int epollFd, int operation, int fd, const void *event)');
  const epollWait = program.func('int epoll_wait(int epollFd, void *events, int count, int timeout)');
  const close = program.func('int close(int fd)');
  const fcntl = program.func('int fcntl(int fd, int command, int value)');
  const abort = program.func('void abort()');
  return {
    setns: (fd, kind) => result(setns(fd, kind)),
    unshare: (kinds) => result(unshare(kinds)),
    socket: (family, type, protocol) => result(socket(family, type, protocol)),
    bind: (fd, address, length) => result(bind(fd, address, length)),
    connect: (fd, address, length) => result(connect(fd, address, length)),
    listen: (fd, backlog) => result(listen(fd, backlog)),
    accept4: (fd, flags) => result(accept4(fd, null, null, flags)),
    setsockopt: (fd, level, option, value, length) => result(setsockopt(fd, level, option, value, length)),
    getsockopt: (fd, level, option, value, length) => result(getsockopt(fd, level, option, value, length)),
    getsockname: (fd, address, length) => result(getsockname(fd, address, length)),
    getpeername: (fd, address, length) => result(getpeername(fd, address, length)),
    sendmsg: (fd, header, flags) => result(sendmsg(fd, header, flags)),
    recvmsg: (fd, header, flags) => result(recvmsg(fd, header, flags)),
    send: (fd, buffer, length, flags) => result(send(fd, buffer, length, flags)),
    sendAt: (fd, address, length, flags) => result(sendAt(fd, address, length, flags)),
    recvAt: (fd, address, length, flags) => result(recvAt(fd, address, length, flags)),
    recv: (fd, buffer, length, flags) => result(recv(fd, buffer, length, flags)),
    sendto: (fd, buffer, length, flags, address, addressLength) =>
      result(sendto(fd, buffer, length, flags, address, addressLength)),
    recvmmsg: (fd, messages, count, flags) => result(recvmmsg(fd, messages, count, flags, null)),
    sendmmsg: (fd, messages, count, flags) => result(sendmmsg(fd, messages, count, flags)),
    epollCreate: (flags) => result(epollCreate(flags)),
    epollControl: (epollFd, operation, fd, event) => result(epollControl(epollFd, operation, fd, event)),
    epollWait: (epollFd, events, count, timeoutMs) => result(epollWait(epollFd, events, count, timeoutMs)),
    close: (fd) => result(close(fd)),
    dup: (fd) => result(fcntl(fd, F_DUPFD_CLOEXEC, 0)),
    addressOf: (buffer) => koffi.address(buffer),
    abort: () => {
      abort();
      return bug('abort() returned');
    },
    watch: (fd, callback) => openWatch(fd, callback),
  };
}

// errno belongs to the thread and is read before anything else can run on it.
function result(returned: number): number {
  return returned === -1 ? -koffi.errno() : returned;
}

function openWatch(fd: number, onReady: () => void): Watch {
  // koffi hears of no exception.
  const callback = (): void => {
    try {
      onReady();
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  };
  const poll = koffi.node.poll(fd, {}, callback);
  poll.stop();
  return {
    want(readable, writable) {
      if (readable || writable) poll.start({ readable, writable }, callback);
      else poll.stop();
    },
    close: () => poll.close(),
  };
}
