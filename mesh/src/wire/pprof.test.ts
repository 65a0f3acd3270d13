import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ProfileSchema } from './gen/perftools/profiles/profile_pb.ts';
import { encodePprof, type V8Profile } from './pprof.ts';

const frame = (functionName: string, url = '', lineNumber = -1): V8Profile['nodes'][number]['callFrame'] => ({
  functionName,
  scriptId: url === '' ? '0' : '7',
  url,
  lineNumber,
  columnNumber: 3,
});

test('encodePprof() gives every stack its samples and time, leaf first, without idle time', () => {
  const profile: V8Profile = {
    nodes: [
      { id: 1, callFrame: frame('(root)'), children: [2, 5] },
      { id: 2, callFrame: frame('main', 'file:///a.mjs', 9), children: [3, 4] },
      { id: 3, callFrame: frame('', 'file:///a.mjs', 19), children: [6] },
      { id: 4, callFrame: frame('(garbage collector)') },
      { id: 5, callFrame: frame('(idle)') },
      { id: 6, callFrame: frame('main', 'file:///a.mjs', 9) },
    ],
    startTime: 1000,
    endTime: 6000,
    samples: [3, 5, 3, 4, 6],
    timeDeltas: [100, 1000, 900, 1000, -5],
  };
  const decoded = fromBinary(ProfileSchema, encodePprof(profile, 1_700_000_000_000));
  const text = (index: bigint): string => decoded.stringTable[Number(index)] ?? 'none';
  const functions = new Map(
    decoded.function.map(({ id, name, filename, startLine }) => [id, `${text(name)} ${text(filename)}:${startLine}`]),
  );
  const names = new Map(decoded.location.map(({ id, line }) => [id, functions.get(line[0]?.functionId ?? 0n)]));
  assert.deepEqual(
    decoded.sample.map(({ locationId, value }) => [locationId.map((id) => names.get(id)), value]),
    [
      [
        ['(anonymous) file:///a.mjs:20', 'main file:///a.mjs:10'],
        [2n, 1_000_000n],
      ],
      [
        ['(garbage collector) :0', 'main file:///a.mjs:10'],
        [1n, 1_000_000n],
      ],
      [
        ['main file:///a.mjs:10', '(anonymous) file:///a.mjs:20', 'main file:///a.mjs:10'],
        [1n, 0n],
      ],
    ],
  );
  assert.deepEqual(
    decoded.sampleType.map(({ type, unit }) => [text(type), text(unit)]),
    [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
  );
  assert.equal(decoded.stringTable[0], '');
  assert.deepEqual(
    [decoded.timeNanos, decoded.durationNanos, decoded.period],
    [1_700_000_000_000_000_000n, 5_000_000n, 1_000_000n],
  );
});

test('encodePprof() of nothing is a profile without samples', () => {
  const decoded = fromBinary(ProfileSchema, encodePprof({ nodes: [], startTime: 0, endTime: 0 }, 0));
  assert.deepEqual([decoded.sample, decoded.location, decoded.function], [[], [], []]);
});
