/** Every bound of an HTTP/1.1 message. None of them is of time: how long a peer may take is its connection's business. */
export interface Http1Limits {
  /** From the first byte of the start line to the empty line, both included. */
  readonly headMaxBytes: number;
  readonly fieldCountMax: number;
  /** Beyond it the method is one that nobody implements. */
  readonly methodMaxBytes: number;
  readonly targetMaxBytes: number;
  /** Names in all Connection fields of one head: each is compared with every field. */
  readonly connectionOptionCountMax: number;
  /** A chunk's size with its extensions and CRLF. */
  readonly chunkLineMaxBytes: number;
  /** Extensions of all chunks of one body: they are read for nothing. */
  readonly chunkExtensionsMaxBytes: number;
  readonly trailersMaxBytes: number;
  readonly trailerCountMax: number;
  /** Interim (1xx) responses before the final one. */
  readonly interimCountMax: number;
}

const KIB = 1024;

export const DEFAULT_LIMITS: Http1Limits = {
  headMaxBytes: 64 * KIB,
  fieldCountMax: 128,
  methodMaxBytes: 32,
  targetMaxBytes: 8 * KIB,
  connectionOptionCountMax: 32,
  chunkLineMaxBytes: 512,
  chunkExtensionsMaxBytes: 16 * KIB,
  trailersMaxBytes: 16 * KIB,
  trailerCountMax: 64,
  interimCountMax: 32,
};

/** 16 hexadecimal digits or 16 decimal ones: enough for any length that a double holds exactly. */
export const LENGTH_DIGITS_MAX = 16;
