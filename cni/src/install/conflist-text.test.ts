import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PluginEntry, withoutPlugin, withPlugin } from './conflist-text.ts';

const ENTRY: PluginEntry = { type: 'ambit-cni', agentSocket: '/s', enrolmentList: '/l', timeoutMs: 15_000 };
const OURS = JSON.stringify(ENTRY);

/** What it is, the conflist without and with our entry. */
const texts: readonly (readonly [string, string, string])[] = [
  ['on one line', '{"plugins":[{"type":"a"}]}', `{"plugins":[{"type":"a"},${OURS}]}`],
  [
    'indented, with a line feed at the end',
    '{\n  "name": "kit",\n  "plugins": [\n    { "type": "ptp" },\n    { "type": "portmap" }\n  ]\n}\n',
    `{\n  "name": "kit",\n  "plugins": [\n    { "type": "ptp" },\n    { "type": "portmap" },\n    ${OURS}\n  ]\n}\n`,
  ],
  [
    'with one plugin',
    '{ "plugins": [\r\n\t{"type":"a"}\r\n] }',
    `{ "plugins": [\r\n\t{"type":"a"},\r\n\t${OURS}\r\n] }`,
  ],
  [
    'with odd strings and nesting',
    '{"plugins":["]",{"a":"\\"}],","b":[[{}],1e5,null]}],"x":{"plugins":[1]}}',
    `{"plugins":["]",{"a":"\\"}],","b":[[{}],1e5,null]},${OURS}],"x":{"plugins":[1]}}`,
  ],
  [
    'whose plugins are listed twice',
    '{"plugins":[1],"plugins":[{"type":"a"}]}',
    `{"plugins":[1],"plugins":[{"type":"a"},${OURS}]}`,
  ],
  ['whose key is escaped', '{"plug\\u0069ns":[{"type":"a"}]}', `{"plug\\u0069ns":[{"type":"a"},${OURS}]}`],
];

for (const [what, without, joined] of texts) {
  test(`withPlugin() adds one entry to a conflist ${what}, withoutPlugin() takes away just that`, () => {
    assert.equal(withPlugin(without, ENTRY), joined);
    assert.equal(withPlugin(joined, ENTRY), joined);
    assert.equal(withoutPlugin(joined), without);
    assert.equal(withoutPlugin(without), without);
  });
}

test('withPlugin() leaves an entry of ours alone that says the same, wherever it stands but first', () => {
  const other = JSON.stringify({ timeoutMs: 15_000, enrolmentList: '/l', agentSocket: '/s', type: 'ambit-cni' });
  const text = `{"plugins":[{"type":"a"}, ${other} ,{"type":"tuning"}]}`;
  assert.equal(withPlugin(text, ENTRY), text);
});

/** Conflists whose entry is wrong, and what they become. */
const wrong: readonly (readonly [string, string, string])[] = [
  ['old', '{"plugins":[1,{"type":"ambit-cni"}]}', `{"plugins":[1,${OURS}]}`],
  ['first', `{"plugins":[ ${OURS}, {"type":"a"} ]}`, `{"plugins":[ {"type":"a"}, ${OURS} ]}`],
  ['there twice', `{"plugins":[1,${OURS},2,${OURS}]}`, `{"plugins":[1,2,${OURS}]}`],
  ['more than ours', `{"plugins":[1,${OURS.replace('{', '{"x":1,')}]}`, `{"plugins":[1,${OURS}]}`],
];

for (const [what, text, repaired] of wrong) {
  test(`withPlugin() repairs an entry that is ${what}`, () => assert.equal(withPlugin(text, ENTRY), repaired));
}

test('withoutPlugin() undoes withPlugin() on any conflist', () => {
  const plugin = fc.oneof(fc.json(), fc.constant('{"type":"ptp"}'));
  const space = fc.constantFrom('', ' ', '\n', '\t', '\r\n  ');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(space, plugin, space), { minLength: 1, maxLength: 5 }),
      fc.json(),
      (plugins, other) => {
        const list = plugins.map(([before, text, after]) => before + text + after).join(',');
        const text = `{"x":${other},"plugins":[${list}] ,"y":${other}}`;
        const joined = withPlugin(text, ENTRY);
        assert.deepEqual(JSON.parse(joined).plugins.at(-1), ENTRY);
        assert.equal(withoutPlugin(joined), text);
      },
    ),
    { seed: 20_261_126 },
  );
});
