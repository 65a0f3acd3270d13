import { FieldBlock } from '../http1/field-block.ts';
import { RequestHead, ResponseHead } from '../http1/head.ts';

const NONE: Uint8Array = new Uint8Array(0);

/**
 * A request's head as HTTP/2 brought it, in the form that HTTP/1.1's has: whatever looks at heads need not know which it was.
 * Framing `chunked` means a body of unknown length. Valid until the next header block of its connection is decoded.
 */
export class Http2RequestHead extends RequestHead {
  /** `:protocol` of an extended CONNECT (RFC 8441), else empty. `form` is `origin` then. */
  protocol = '';
  /** 1 for fields that must not be kept in a table on their way either; by index. */
  sensitive: Uint8Array = NONE;
}

/** A response's head, likewise. There are no reasons in HTTP/2. */
export class Http2ResponseHead extends ResponseHead {
  sensitive: Uint8Array = NONE;
}

/** Fields that have been copied. */
export class KeptFields extends FieldBlock {
  sensitive: Uint8Array = NONE;
}

/** Which fields of a block must not be kept in a table, if HTTP/2 brought it. */
export function sensitiveFieldsOf(block: FieldBlock): Uint8Array {
  const known = block instanceof Http2RequestHead || block instanceof Http2ResponseHead || block instanceof KeptFields;
  return known ? block.sensitive : NONE;
}
