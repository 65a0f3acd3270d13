/** Bounds of what is exchanged with an API server. */
export interface KubeLimits {
  /** From the first byte sent to the last byte of the answer; watches only until their head is there. */
  readonly callDeadlineMs: number;
  /** Of one answer: a page of a list, or one object. */
  readonly responseBytesMax: number;
  /** Of one event of a watch; the API server's own objects end at 1.5 MB, as JSON at a few times that. */
  readonly watchLineBytesMax: number;
  readonly requestBytesMax: number;
}

export const KUBE_LIMITS: KubeLimits = {
  callDeadlineMs: 30_000,
  responseBytesMax: 32 * 1024 * 1024,
  watchLineBytesMax: 8 * 1024 * 1024,
  requestBytesMax: 3 * 1024 * 1024,
};

/** Objects per page of a list, unless the caller asks for fewer. */
export const LIST_PAGE_ITEMS = 500;
/** Connections to one API server; each watch holds one. Calls beyond them wait, within their deadline. */
export const SOCKETS_MAX = 64;
export const FREE_SOCKETS_MAX = 4;
/** Unused connections are closed before the API server closes them (90 s): a call on a dying connection fails. */
export const FREE_SOCKET_MS = 30_000;
export const TCP_KEEPALIVE_MS = 30_000;
/** A refusal says why in a Status of a few hundred bytes. */
export const ERROR_BODY_BYTES_MAX: number = 64 * 1024;
export const ERROR_TEXT_CHARACTERS_MAX = 500;
/** After so long the API server ends a watch, so that connections spread over its replicas; up to twice that, at random. */
export const WATCH_SECONDS_MIN = 300;
/** Token and roots may be rotated at any time: they are read again when they are older. */
export const CREDENTIALS_AGE_MAX_MS = 10_000;
export const CREDENTIALS_FILE_BYTES_MAX: number = 1024 * 1024;
