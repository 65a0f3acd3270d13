// What Node's handles and system calls return in place of a count, negated as both do: Linux's numbers, and libuv's own for the end.

export const EINTR: number = -4;
export const EBADF: number = -9;
export const EAGAIN: number = -11;
export const ENOTSUP: number = -95;
export const ECANCELED: number = -125;
export const EOF: number = -4095;
