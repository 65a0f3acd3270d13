/**
 * Requests that are known to smuggle another one past some pair of servers (RFC 9112 11.2 and the literature since), each of
 * which must end in a fault before anything that a second server could take for a request.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestEvents, responseEvents } from '../testing/http1-steps.ts';

const SMUGGLED = 'GET /admin HTTP/1.1\r\nHost: a\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\n';

/** In the head, which therefore never counts as one. */
const HEADS: Readonly<Record<string, string>> = {
  'CL.TE': `${POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`,
  'TE.CL': `${POST}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1e\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  'TE.TE, second unknown': `${POST}Transfer-Encoding: chunked\r\nTransfer-encoding: x\r\n\r\n0\r\n\r\n`,
  'TE.TE, first unknown': `${POST}Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'TE.TE, identity': `${POST}Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc`,
  'TE with space before the colon': `${POST}Transfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE with tab before the colon': `${POST}Transfer-Encoding\t: chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE after a tab': `${POST}Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n`,
  'TE before a tab': `${POST}Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n`,
  'TE after a vertical tab': `${POST}Transfer-Encoding: \x0bchunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE after a form feed': `${POST}Transfer-Encoding: \x0cchunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE after NUL': `${POST}Transfer-Encoding: \0chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE after a no-break space': `${POST}Transfer-Encoding: \xa0chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE in quotes': `${POST}Transfer-Encoding: "chunked"\r\nContent-Length: 3\r\n\r\nabc`,
  'TE as a prefix': `${POST}Transfer-Encoding: chunkedx\r\nContent-Length: 3\r\n\r\nabc`,
  'TE with a parameter': `${POST}Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n`,
  'TE twice in a list': `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  'TE not last': `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
  'TE folded': `${POST}Transfer-Encoding:\r\n chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE in a fold': `${POST}X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE after a bare LF': `${POST}X: y\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE after a bare CR': `${POST}X: y\rTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE whose name is cut by LF': `${POST}Transfer-Encoding\n: chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE whose name holds NUL': `${POST}Transfer\0-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE with a letter beyond ASCII': `${POST}Transfer-Encod\xefng: chunked\r\nContent-Length: 3\r\n\r\nabc`,
  'TE in the first line': `POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: a\r\n\r\n`,
  'TE in HTTP/1.0': 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'CL twice': `${POST}Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc`,
  'CL twice, equal': `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`,
  'CL as a list': `${POST}Content-Length: 3, 3\r\n\r\nabc`,
  'CL with a sign': `${POST}Content-Length: +3\r\n\r\nabc`,
  'CL below zero': `${POST}Content-Length: -1\r\n\r\nabc`,
  'CL in hexadecimal': `${POST}Content-Length: 0x3\r\n\r\nabc`,
  'CL in octal': `${POST}Content-Length: 010\r\n\r\nabcdefgh`,
  'CL with an underscore': `${POST}Content-Length: 1_0\r\n\r\nabcdefghij`,
  'CL with a digit of another script': `${POST}Content-Length: \xd9\xa3\r\n\r\nabc`,
  'CL beyond 2^64': `${POST}Content-Length: 18446744073709551619\r\n\r\nabc`,
  'CL empty': `${POST}Content-Length:\r\n\r\nabc`,
  'CL with a space before the colon': `${POST}Content-Length : 3\r\n\r\nabc`,
  'CL taken away by Connection': `${POST}Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc`,
  'TE taken away by Connection': `${POST}Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'Host taken away by Connection': `${POST}Connection: host\r\n\r\n`,
  'two hosts': `${POST}Host: b\r\n\r\n`,
  'two hosts in one': 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n',
  'Host and another host in the target': 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'Host with a user': 'GET / HTTP/1.1\r\nHost: b@a\r\n\r\n',
  'a line that ends with LF': `${POST}X: y\n\r\n`,
  'a head that ends with LF LF': 'GET / HTTP/1.1\nHost: a\n\n',
  'a second request line': `GET / HTTP/1.1\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n`,
  'a request within the request line': 'GET /x HTTP/1.1\rHost: a\r\n\r\n',
  'CONNECT with a body': `CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
};

/** In the body, after a head that is in order. */
const BODIES: Readonly<Record<string, string>> = {
  'a chunk size with white space': `5 \r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size with a sign': `+5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size with 0x': `0x5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size with an underscore': `1_0\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size beyond 2^64': `10000000000000005\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'no chunk size': `\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size that ends with LF': `5\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk size that ends with CR': `5\rhello\r\n0\r\n\r\n${SMUGGLED}`,
  'an extension that ends with LF (TERM.EXT)': `5;\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'an extension with CR': `5;a\rb\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'an extension with LF in quotes': `5;a="\n"\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'an empty extension': `5;\r\nhello\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk that is longer than its size': `5\r\nhello!\r\n0\r\n\r\n${SMUGGLED}`,
  'a chunk that ends with LF': `5\r\nhello\n0\r\n\r\n${SMUGGLED}`,
  'a chunk that ends with any two bytes (TERM.SPILL)': `5\r\nhelloXX0\r\n\r\n${SMUGGLED}`,
  'a last chunk that ends with LF': `5\r\nhello\r\n0\n\r\n${SMUGGLED}`,
  'trailers that end with LF': `0\r\nX: y\r\n\n${SMUGGLED}`,
  'a length in the trailers': `0\r\nContent-Length: 5\r\n\r\n${SMUGGLED}`,
  'a host in the trailers': `0\r\nHost: b\r\n\r\n${SMUGGLED}`,
  'a fold in the trailers': `0\r\nX: y\r\n z\r\n\r\n${SMUGGLED}`,
  'a request as a trailer': `0\r\n${SMUGGLED}`,
};

const isRequest = (event: unknown): boolean => typeof event === 'object' && event !== null && 'request' in event;

test('no head that smuggles is ever one', () => {
  for (const [what, text] of Object.entries(HEADS)) {
    const events = requestEvents([Buffer.from(text, 'latin1')]);
    assert.equal(events.length, 1, what);
    assert.ok(events[0] !== 'idle' && events[0] !== 'end' && events[0] !== undefined && 'fault' in events[0], what);
  }
});

test('no body that smuggles ends', () => {
  for (const [what, body] of Object.entries(BODIES)) {
    const events = requestEvents([Buffer.from(`${POST}Transfer-Encoding: chunked\r\n\r\n${body}`, 'latin1')]);
    assert.equal(events.filter(isRequest).length, 1, what);
    assert.ok(!events.includes('end'), what);
    const last = events.at(-1);
    assert.ok(typeof last === 'object' && 'fault' in last, what);
  }
});

test('a response that was smuggled in answers nothing', () => {
  const response = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
  const events = responseEvents([Buffer.from(`${response}${response}`)], [{ method: 'GET', upgrade: false }]);
  assert.deepEqual(events.at(-1), {
    fault: { code: 'unsolicited', place: 'status-line', offset: 0, status: 502 },
  });
});
