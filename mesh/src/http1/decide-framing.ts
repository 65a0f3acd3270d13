import type { Framing } from './head.ts';

/**
 * How a message is framed as we send it. `declared`: no body, but the Content-Length that it would have. `empty`: a body of
 * length 0, which is said. `none`: no body, and nothing about it.
 */
export type OutgoingFraming = 'none' | 'empty' | 'declared' | 'length' | 'chunked' | 'until-close' | 'tunnel';

/** What decides how a request is framed. */
interface RequestFraming {
  readonly framing: Framing;
  readonly hasContentLength: boolean;
}

/** What decides how a response is framed. */
interface ResponseFraming {
  readonly framing: Framing;
  readonly hasContentLength: boolean;
  readonly status: number;
  /** Of the request. */
  readonly method: string;
  /** What the client speaks: HTTP/1.0 knows no chunks. */
  readonly clientVersionMinor: 0 | 1;
}

/** A request is passed on as it came. `Content-Length: 0` too, without which some servers refuse a POST. */
export function decideRequestFraming({ framing, hasContentLength }: RequestFraming): OutgoingFraming {
  if (framing === 'none') return hasContentLength ? 'empty' : 'none';
  return framing;
}

/** A response of unknown length is chunked for those who understand it; for others its end is the end of the connection. */
export function decideResponseFraming(response: ResponseFraming): OutgoingFraming {
  const { framing, hasContentLength, status, method, clientVersionMinor } = response;
  switch (framing) {
    case 'none':
      // RFC 9110 8.6: never in 1xx and 204.
      if (status < 200 || status === 204) return 'none';
      if (method === 'HEAD' || status === 304) return hasContentLength ? 'declared' : 'none';
      // HTTP/2 says by its frames that there is no body, HTTP/1.1 cannot but by a length.
      return 'empty';
    case 'chunked':
    case 'until-close':
      return clientVersionMinor === 1 ? 'chunked' : 'until-close';
    case 'length':
    case 'tunnel':
      return framing;
  }
}
