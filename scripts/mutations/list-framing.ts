import type { Mutation } from './mutation.ts';

const HBONE = 'mesh/src/hbone';

const inFile =
  (file: string, ...tests: readonly string[]) =>
  (find: string, replace: string): Mutation => ({
    area: 'framing',
    file: `${HBONE}/${file}`,
    find,
    replace,
    tests: tests.map((test) => `${HBONE}/${test}`),
  });

const codec = inFile('frame-codec.ts', 'frame-bounds.test.ts', 'frame-reader.test.ts');
const reader = inFile('frame-reader.ts', 'frame-bounds.test.ts', 'frame-reader.test.ts');

/** Bytes to frames and back (RFC 9113 sections 4 and 6). */
export const FRAMING_MUTATIONS: readonly Mutation[] = [
  codec('requireSize(payloadBytes === 5)', 'requireSize(payloadBytes >= 5)'),
  codec('payloadBytes % 6 === 0 : payloadBytes === 0', 'payloadBytes % 6 === 0 : payloadBytes % 6 === 0'),
  codec('requireSize(payloadBytes >= 8)', 'requireSize(payloadBytes >= 4)'),
  codec('requireSize(payloadBytes === 8)', 'requireSize(payloadBytes >= 8)'),
  codec(
    "if (streamId !== 0) throw new Http2Violation(Http2Code.protocolError, 'connection",
    "if (streamId < 0) throw new Http2Violation(Http2Code.protocolError, 'connection",
  ),
  codec('if (streamId === 0) throw', 'if (streamId < 0) throw'),
  codec('id === SettingId.enablePush && value > 1', 'id === SettingId.enablePush && value > 2'),
  codec(
    'id === SettingId.initialWindowSize && value > WINDOW_MAX_BYTES',
    'id === SettingId.initialWindowSize && value >= WINDOW_MAX_BYTES',
  ),
  codec('(value < DEFAULT_FRAME_MAX_BYTES || value > FRAME_MAX_BYTES)', '(value > FRAME_MAX_BYTES)'),
  codec('high * 0x1_00_00_00 + low', '((high << 24) | low)'),
  reader('payloadBytes > this.limits.frameSizeMaxBytes', 'payloadBytes >= this.limits.frameSizeMaxBytes'),
  reader('type !== FrameType.settings || (this.flags & FrameFlag.ack) !== 0', 'type !== FrameType.settings'),
  reader('type !== FrameType.continuation || streamId !== this.blockStreamId', 'type !== FrameType.continuation'),
  reader("throw new Http2Violation(Http2Code.protocolError, 'CONTINUATION without header block');", ''),
  reader(
    'this.blockParts.length > this.limits.continuationMax',
    'this.blockParts.length > this.limits.continuationMax + 1',
  ),
  reader('if (padBytes > this.left)', 'if (padBytes >= this.left)'),
  reader('(((source[at + 5] ?? 0) & 0x7f) << 24)', '((source[at + 5] ?? 0) << 24)'),
  reader(
    'if (this.blockBytes > this.limits.headerBlockMaxBytes)',
    'if (this.blockBytes >= this.limits.headerBlockMaxBytes)',
  ),
  reader('start += 5;', 'start += 4;'),
  reader(' this.blockBytes = 0;', ''),
];
