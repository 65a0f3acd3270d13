import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PluginEntry } from './conflist-text.ts';
import { type ConfigurationChange, decideConfiguration, decideRemoval } from './decide-configuration.ts';

const ENTRY: PluginEntry = { type: 'ambit-cni', agentSocket: '/s', enrolmentList: '/l', timeoutMs: 15_000 };
const OURS = JSON.stringify(ENTRY);
const LIST = '{"cniVersion":"1.0.0","name":"kit","plugins":[{"type":"ptp"}]}';
const JOINED = `{"cniVersion":"1.0.0","name":"kit","plugins":[{"type":"ptp"},${OURS}]}`;
const SINGLE = '{"cniVersion":"0.3.1","name":"one","type":"bridge","mtu":9000}';
const WRAPPED = `${JSON.stringify({ cniVersion: '0.3.1', name: 'one', plugins: [{ type: 'bridge', mtu: 9000 }, ENTRY] }, null, 2)}\n`;

type Files = Readonly<Record<string, string>>;

const filesOf = (files: Files): { name: string; text: string }[] =>
  Object.entries(files).map(([name, text]) => ({ name, text }));

/** Behaviour; files that are there; files to write; names to remove; primary; problems by file. */
const cases: readonly (readonly [string, Files, Files, readonly string[], string | null, Files])[] = [
  ['joins the only list', { '10-kit.conflist': LIST }, { '10-kit.conflist': JOINED }, [], '10-kit.conflist', {}],
  ['has nothing to do once joined', { '10-kit.conflist': JOINED }, {}, [], '10-kit.conflist', {}],
  [
    'joins the first by name, and leaves the entry in one that no longer is',
    { '10-kit.conflist': JOINED, '05-new.conflist': LIST },
    { '05-new.conflist': JOINED },
    [],
    '05-new.conflist',
    {},
  ],
  [
    'compares names by bytes, as runtimes do',
    { 'a.conflist': LIST, 'Z.conflist': LIST },
    { 'Z.conflist': JOINED },
    [],
    'Z.conflist',
    {},
  ],
  [
    'passes over what is no configuration',
    { '00-readme.txt': 'x', '01.conflist.bak': LIST, '.ambit-x.new': LIST, '10-kit.conflist': LIST },
    { '10-kit.conflist': JOINED },
    [],
    '10-kit.conflist',
    {},
  ],
  [
    'puts a list before a single plugin',
    { '10-x.conf': SINGLE },
    { '10-x-ambit.conflist': WRAPPED },
    [],
    '10-x-ambit.conflist',
    {},
  ],
  [
    'does the same for .json',
    { '10-x.json': SINGLE },
    { '10-x-ambit.conflist': WRAPPED },
    [],
    '10-x-ambit.conflist',
    {},
  ],
  [
    'keeps the list it made',
    { '10-x.conf': SINGLE, '10-x-ambit.conflist': WRAPPED },
    {},
    [],
    '10-x-ambit.conflist',
    {},
  ],
  [
    'follows a change of the single plugin',
    { '10-x.conf': SINGLE, '10-x-ambit.conflist': WRAPPED.replace('9000', '1500') },
    { '10-x-ambit.conflist': WRAPPED },
    [],
    '10-x-ambit.conflist',
    {},
  ],
  [
    'removes the list it made from a file that is gone or no longer first',
    { '05-new.conflist': JOINED, '10-x.conf': SINGLE, '10-x-ambit.conflist': WRAPPED, '20-y-ambit.conflist': WRAPPED },
    {},
    ['10-x-ambit.conflist', '20-y-ambit.conflist'],
    '05-new.conflist',
    {},
  ],
  [
    'takes a list of that name that somebody else made for one like any other',
    { '10-x-ambit.conflist': LIST },
    { '10-x-ambit.conflist': JOINED },
    [],
    '10-x-ambit.conflist',
    {},
  ],
  ['has no primary without files', {}, {}, [], null, {}],
  [
    'says which files cannot be used',
    {
      '00.conflist': '{',
      '01.conflist': '[]',
      '02.conflist': '{"cniVersion":"1.0.0"}',
      '03.conflist': '{"cniVersion":"1.0.0","plugins":[]}',
      '04.conflist': `{"cniVersion":"1.0.0","plugins":[${OURS}]}`,
      '05.conf': '{"cniVersion":"1.0.0"}',
      '06.conflist': '{"cniVersion":"0.2.0","plugins":[{}]}',
      '07.conf': '{"type":"x"}',
      '10-kit.conflist': LIST,
      '99.conflist': '{',
    },
    { '10-kit.conflist': JOINED },
    [],
    '10-kit.conflist',
    {
      '00.conflist': 'not a JSON object',
      '01.conflist': 'not a JSON object',
      '02.conflist': 'it has no list of plugins',
      '03.conflist': 'it has no plugin',
      '04.conflist': 'it has no plugin',
      '05.conf': 'it has no type',
      '06.conflist': 'cniVersion "0.2.0" is none of 0.3.1, 0.4.0, 1.0.0, 1.1.0',
      '07.conf': 'cniVersion undefined is none of 0.3.1, 0.4.0, 1.0.0, 1.1.0',
    },
  ],
  [
    'accepts a list that offers several versions',
    { 'a.conflist': LIST.replace('"1.0.0"', '"2.0.0","cniVersions":["1.1.0","2.0.0"]') },
    { 'a.conflist': JOINED.replace('"1.0.0"', '"2.0.0","cniVersions":["1.1.0","2.0.0"]') },
    [],
    'a.conflist',
    {},
  ],
];

for (const [behaviour, files, write, remove, primary, problems] of cases) {
  test(`decideConfiguration() ${behaviour}`, () => {
    const expected: ConfigurationChange = {
      write: filesOf(write),
      remove,
      primary,
      problems: Object.entries(problems).map(([name, reason]) => ({ name, reason })),
    };
    assert.deepEqual(decideConfiguration(filesOf(files).toReversed(), ENTRY), {
      ...expected,
      remove: expected.remove.toReversed(),
    });
  });
}

test('decideRemoval() takes our entry out of every list, and our lists away', () => {
  const files = filesOf({
    '05-new.conflist': LIST,
    '10-kit.conflist': JOINED,
    '10-x.conf': SINGLE,
    '10-x-ambit.conflist': WRAPPED,
    '20-broken.conflist': '{',
    '30-readme.txt': OURS,
  });
  assert.deepEqual(decideRemoval(files), {
    write: [{ name: '10-kit.conflist', text: LIST }],
    remove: ['10-x-ambit.conflist'],
    problems: [],
  });
});
