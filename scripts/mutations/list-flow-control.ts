import type { Mutation } from './mutation.ts';

const HBONE = 'mesh/src/hbone';

const inFile =
  (file: string, ...tests: readonly string[]) =>
  (find: string, replace: string): Mutation => ({
    area: 'flow control',
    file: `${HBONE}/${file}`,
    find,
    replace,
    tests: tests.map((test) => `${HBONE}/${test}`),
  });

const windows = inFile('flow-control.ts', 'flow-control.test.ts');
const stream = inFile('stream.ts', 'credit.test.ts', 'interop-server.test.ts', 'interop-client.test.ts');
const input = inFile('connection-input.ts', 'credit.test.ts', 'violation.test.ts');

/** Who may send how much (RFC 9113 sections 5.2 and 6.9). */
export const FLOW_CONTROL_MUTATIONS: readonly Mutation[] = [
  windows('this.bytes + bytes > WINDOW_MAX_BYTES', 'this.bytes + bytes >= WINDOW_MAX_BYTES'),
  windows('this.bytes -= bytes;', 'this.bytes -= bytes - 1;'),
  windows('return this.windowBytes >= 0;', 'return this.windowBytes > 0;'),
  windows('this.releasedBytes < this.stepBytes', 'this.releasedBytes <= this.stepBytes'),
  windows('this.windowBytes += increment;', ''),
  windows('    this.releasedBytes = 0;', ''),
  stream('bytes <= this.sendWindow.availableBytes &&', 'true &&'),
  stream('bytes <= this.connection.sendWindow.availableBytes', 'true'),
  stream(
    'Math.min(this.sendWindow.availableBytes, connection.sendWindow.availableBytes)',
    'this.sendWindow.availableBytes',
  ),
  stream('this.connection.sendWindow.consume(bytes);', ''),
  stream('this.connection.release(bytes);', ''),
  input('else if (!stream.receive(payloadBytes))', 'else if (stream.receive(payloadBytes) === undefined)'),
  input('receiveOnConnection(connection.receiveWindow, payloadBytes);', ''),
  input('this.unclaimedBytes = payloadBytes;', 'this.unclaimedBytes = 0;'),
  input('else if (increment === 0) this.refuse', 'else if (increment < 0) this.refuse'),
  input(
    'if (!connection.sendWindow.grant(increment)) {',
    'if (connection.sendWindow.grant(increment) === undefined) {',
  ),
];
