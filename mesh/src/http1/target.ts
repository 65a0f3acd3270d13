import { isAuthority } from './authority.ts';
import { equalsLower, SLASH } from './characters.ts';
import type { FaultCode } from './errors.ts';
import type { RequestHead } from './head.ts';

const ASTERISK = 42;
const QUESTION_MARK = 63;
const HTTP = 'http://';
const HTTPS = 'https://';

/** Finds authority and path in the target of a head whose request line has been read, by its one allowed form. */
export function interpretTarget(head: RequestHead): FaultCode | undefined {
  const { bytes, targetStart, targetEnd, method } = head;
  head.scheme = 'http';
  head.authorityStart = targetStart;
  head.authorityEnd = targetStart;
  head.pathStart = targetStart;
  head.pathEnd = targetEnd;
  if (method === 'CONNECT') return interpretConnect(head);
  if (bytes[targetStart] === SLASH) {
    head.form = 'origin';
    return undefined;
  }
  if (bytes[targetStart] === ASTERISK && targetEnd === targetStart + 1) {
    head.form = 'asterisk';
    return method === 'OPTIONS' ? undefined : 'target-form';
  }
  return interpretAbsolute(head);
}

function interpretConnect(head: RequestHead): FaultCode | undefined {
  head.form = 'authority';
  head.authorityEnd = head.targetEnd;
  head.pathStart = head.targetEnd;
  return isAuthority(head.bytes, head.targetStart, head.targetEnd, 'required') ? undefined : 'target-form';
}

function interpretAbsolute(head: RequestHead): FaultCode | undefined {
  const { bytes, targetStart, targetEnd } = head;
  const afterHttp = targetStart + HTTP.length;
  const afterHttps = targetStart + HTTPS.length;
  if (equalsLower(bytes, targetStart, Math.min(afterHttp, targetEnd), HTTP)) head.authorityStart = afterHttp;
  else if (equalsLower(bytes, targetStart, Math.min(afterHttps, targetEnd), HTTPS)) {
    head.authorityStart = afterHttps;
    head.scheme = 'https';
  } else return 'target-form';
  let at = head.authorityStart;
  while (at < targetEnd && bytes[at] !== SLASH && bytes[at] !== QUESTION_MARK) at += 1;
  head.form = 'absolute';
  head.authorityEnd = at;
  head.pathStart = at;
  return isAuthority(bytes, head.authorityStart, at, 'optional') ? undefined : 'target-form';
}
