/** HPACK's static and dynamic tables (RFC 7541 section 2.3 and appendix A). Pure. */

export type HeaderField = readonly [name: string, value: string];

/** RFC 7541 4.1: what an entry counts beside its octets. */
export const ENTRY_OVERHEAD_BYTES = 32;

export const STATIC_FIELDS: readonly HeaderField[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** Indices of the static entries an encoder names. */
export const StaticIndex = {
  authority: 1,
  methodGet: 2,
  methodPost: 3,
  pathSlash: 4,
  schemeHttp: 6,
  schemeHttps: 7,
  status: 8,
  contentLength: 28,
} as const;
/** Statuses that are entries as a whole. */
export const STATUS_INDEX: Readonly<Record<number, number>> = {
  200: 8,
  204: 9,
  206: 10,
  304: 11,
  400: 12,
  404: 13,
  500: 14,
};

/** Static table followed by the dynamic one, newest first; index 1 is the first. */
export class HpackTable {
  private readonly sizeMaxBytes: number;
  private capacityBytes: number;
  private usedBytes = 0;
  /** Oldest first: additions push, evictions move `first`. */
  private entries: HeaderField[] = [];
  private first = 0;

  /** `sizeMaxBytes`: what we announced as HEADER_TABLE_SIZE. */
  constructor(sizeMaxBytes: number) {
    this.sizeMaxBytes = sizeMaxBytes;
    this.capacityBytes = sizeMaxBytes;
  }

  get sizeBytes(): number {
    return this.usedBytes;
  }

  lookup(index: number): HeaderField | undefined {
    if (index <= STATIC_FIELDS.length) return STATIC_FIELDS[index - 1];
    const at = this.entries.length - (index - STATIC_FIELDS.length);
    return at >= this.first ? this.entries[at] : undefined;
  }

  /** An entry larger than the table empties it and is not kept (RFC 7541 4.4). */
  add(field: HeaderField): void {
    const bytes = entryBytes(field);
    this.evict(this.capacityBytes - bytes);
    if (bytes > this.capacityBytes) return;
    this.entries.push(field);
    this.usedBytes += bytes;
  }

  /** False when the peer asks for more than was announced. */
  resize(capacityBytes: number): boolean {
    if (capacityBytes > this.sizeMaxBytes) return false;
    this.capacityBytes = capacityBytes;
    this.evict(capacityBytes);
    return true;
  }

  private evict(targetBytes: number): void {
    while (this.usedBytes > targetBytes) {
      const oldest = this.entries[this.first];
      if (oldest === undefined) break;
      this.usedBytes -= entryBytes(oldest);
      this.first += 1;
    }
    if (this.first > 64 && this.first * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.first);
      this.first = 0;
    }
  }
}

function entryBytes(field: HeaderField): number {
  return field[0].length + field[1].length + ENTRY_OVERHEAD_BYTES;
}
