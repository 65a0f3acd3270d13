import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPalette, drawTable, drawTopology, wrap } from './screen.ts';

const plain = createPalette(false);

test('drawTopology() puts both hosts side by side and marks who is enrolled', () => {
  const picture = drawTopology(
    [
      {
        name: 'host-a',
        address: '10.9.0.1',
        pods: [
          { name: 'storefront', namespace: 'shop', address: '10.10.1.10', role: 'enrolled' },
          { name: 'scanner', namespace: 'legacy', address: '10.10.1.20', role: 'outside' },
        ],
        processes: ['node agent'],
      },
      {
        name: 'host-b',
        address: '10.9.0.2',
        pods: [{ name: 'cart', namespace: 'shop', address: '10.10.2.12', role: 'enrolled' }],
        processes: ['node agent', 'controller'],
      },
    ],
    plain,
  );
  assert.equal(
    picture,
    [
      '   host-a 10.9.0.1                          host-b 10.9.0.2',
      '  ┌───────────────────────────────┐        ┌───────────────────────────────┐',
      '  │ ● shop/storefront  10.10.1.10 │        │ ● shop/cart  10.10.2.12       │',
      '  │ ○ legacy/scanner   10.10.1.20 │        │                               │',
      '  │                               ╞════════╡ node agent                    │',
      '  │ node agent                    │        │ controller                    │',
      '  └───────────────────────────────┘        └───────────────────────────────┘',
      '   ● to be enrolled   ◆ waypoint   ○ outside the mesh   ═ captured link',
    ].join('\n'),
  );
});

test('drawTable() aligns by what is seen, not by colour codes', () => {
  const colour = createPalette(true);
  const table = drawTable(
    [{ title: 'who' }, { title: 'ms', align: 'right' }],
    [
      [colour.good('cart'), '1.2'],
      ['storefront', '10.0'],
    ],
    plain,
  );
  assert.equal(table, ['  who           ms', `  ${colour.good('cart')}         1.2`, '  storefront  10.0'].join('\n'));
});

test('wrap() breaks between words and not by colour codes, and leaves a word that is too long whole', () => {
  const colour = createPalette(true);
  assert.equal(wrap(`${colour.good('✓')} one two three`, 11, '  ', '    '), `  ${colour.good('✓')} one two\n    three`);
  assert.equal(wrap('1  short', 80, '', '   '), '1  short');
  assert.equal(wrap('a-word-too-long b', 5, '  ', '    '), '  a-word-too-long\n    b');
});

test('wrap() keeps a number and its unit together', () => {
  assert.equal(wrap('enrolled in 1.4 s, none restarted', 16, '', ''), 'enrolled in\n1.4 s, none\nrestarted');
  assert.equal(wrap('10 of 100 % and 2 MB', 9, '', ''), '10 of\n100 % and\n2 MB');
  assert.equal(wrap('11 of 11 calls', 5, '', ''), '11 of\n11\ncalls');
});
