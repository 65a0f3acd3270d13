import { equalsText } from './characters.ts';
import { FieldBlock } from './field-block.ts';

/**
 * How the end of a body is known. `until-close`: the end of the connection; responses only. `tunnel`: no longer HTTP, all
 * further bytes belong to whatever CONNECT or an upgrade agreed on.
 */
export type Framing = 'none' | 'length' | 'chunked' | 'until-close' | 'tunnel';

/**
 * Whose host a request names and where: `origin` /path; `absolute` http://host/path; `authority` host:port of CONNECT;
 * `asterisk` the * of OPTIONS.
 */
export type TargetForm = 'origin' | 'absolute' | 'authority' | 'asterisk';

/** What both kinds of head say about their connection and their body. Positions are in `bytes`. */
export class MessageHead extends FieldBlock {
  /** Of HTTP/1.x. */
  versionMinor: 0 | 1 = 1;
  framing: Framing = 'none';
  /** Of framing `length`, else 0. Of a response without a body because of its request or status: what it declares. */
  contentLength = 0;
  /** Content-Length is there, also where it frames nothing (HEAD, 304). */
  hasContentLength = false;
  /** `Connection: close`. */
  close = false;
  /** `Connection: keep-alive`. */
  keepAlive = false;
  /** `Connection: upgrade` with Upgrade, in HTTP/1.1. */
  upgrade = false;
  /** Connection names other fields, which end at this hop. */
  namesFields = false;
}

/** A request's head as received. Valid until its reader is given more bytes. */
export class RequestHead extends MessageHead {
  /** Case matters. */
  method = '';
  targetStart = 0;
  targetEnd = 0;
  form: TargetForm = 'origin';
  /** Host and port as the request names them: of the target if it has them, else of Host. Empty in HTTP/1.0 without Host. */
  authorityStart = 0;
  authorityEnd = 0;
  /** Path with query. Empty for CONNECT, and for an absolute target without path, which means `/` (`*` for OPTIONS). */
  pathStart = 0;
  pathEnd = 0;
  /** `https` of an absolute target, else `http`. */
  scheme: 'http' | 'https' = 'http';
  /** `continue`: the client may wait for 100 before it sends its body. `unknown`: it expects something else. */
  expect: 'none' | 'continue' | 'unknown' = 'none';

  get target(): string {
    return this.bytes.toString('latin1', this.targetStart, this.targetEnd);
  }

  get authority(): string {
    return this.bytes.toString('latin1', this.authorityStart, this.authorityEnd);
  }

  /** Whether the authority is this text; cheaper than `authority` for one that is most often known. */
  authorityIs(text: string): boolean {
    return equalsText(this.bytes, this.authorityStart, this.authorityEnd, text);
  }

  get path(): string {
    return this.bytes.toString('latin1', this.pathStart, this.pathEnd);
  }

  /** Whether path and query are this text; cheaper than `path`, as above. */
  pathIs(text: string): boolean {
    return equalsText(this.bytes, this.pathStart, this.pathEnd, text);
  }
}

/** A response's head as received. Valid until its reader is given more bytes. */
export class ResponseHead extends MessageHead {
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;
  /** 1xx but 101: the final response is still to come. */
  interim = false;

  get reason(): string {
    return this.bytes.toString('latin1', this.reasonStart, this.reasonEnd);
  }
}
