/** What a browser in a mesh asks, and what a service answers. */
const BROWSER_FIELDS: readonly string[] = [
  'Host: productpage.shop.svc.cluster.local:9080',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Encoding: gzip, deflate, br',
  'Accept-Language: en-US,en;q=0.5',
  'Cookie: session=0123456789abcdef0123456789abcdef',
  'X-Request-Id: 7f4f6a0a-3f3e-4d07-9c3f-0d8a0b6c1b11',
  'Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  'Connection: keep-alive',
];

const RESPONSE_FIELDS: readonly string[] = [
  'Server: nginx/1.25',
  'Date: Thu, 26 Nov 2026 00:00:00 GMT',
  'Content-Type: application/json',
  'Connection: keep-alive',
  'Cache-Control: no-cache',
  'X-Request-Id: 7f4f6a0a-3f3e-4d07-9c3f-0d8a0b6c1b11',
];

const BODY: Buffer = Buffer.alloc(1024, 'x');

const head = (lines: readonly string[]): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);

export const SMALL_REQUEST: Buffer = head(['GET / HTTP/1.1', 'Host: a:80']);
export const BROWSER_REQUEST: Buffer = head(['GET /api/v1/products?page=2 HTTP/1.1', ...BROWSER_FIELDS]);
export const POST_REQUEST: Buffer = Buffer.concat([
  head(['POST /api/v1/products HTTP/1.1', ...BROWSER_FIELDS, `Content-Length: ${BODY.length}`]),
  BODY,
]);
export const LENGTH_RESPONSE: Buffer = Buffer.concat([
  head(['HTTP/1.1 200 OK', ...RESPONSE_FIELDS, `Content-Length: ${BODY.length}`]),
  BODY,
]);
export const CHUNKED_RESPONSE: Buffer = Buffer.concat([
  head(['HTTP/1.1 200 OK', ...RESPONSE_FIELDS, 'Transfer-Encoding: chunked']),
  ...[0, 1, 2, 3].flatMap((quarter) => [
    Buffer.from('100\r\n'),
    BODY.subarray(256 * quarter, 256 * quarter + 256),
    Buffer.from('\r\n'),
  ]),
  Buffer.from('0\r\n\r\n'),
]);
