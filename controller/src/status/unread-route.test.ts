import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectionsOf, core } from '../../test/policy-objects.ts';
import { unreadRoute } from './unread-route.ts';

const WAYPOINT = { labels: { 'ambit.dev/waypoint': 'w' } };
const spec = { clusterIP: '10.0.0.1', ports: [{ port: 80 }] };

const OBJECTS = collectionsOf([
  core('Namespace', '', 'plain'),
  core('Namespace', '', 'bound', {}, WAYPOINT),
  core('Service', 'plain', 'web', { spec }),
  core('Service', 'plain', 'fronted', { spec }, WAYPOINT),
  core('Service', 'bound', 'web', { spec }),
  core('Service', 'bound', 'direct', { spec }, { labels: { 'ambit.dev/waypoint': 'none' } }),
]);

test('unreadRoute() tells of a route that counts and that no waypoint reads', () => {
  const cases: readonly (readonly [home: string, parent: string, told: RegExp | null])[] = [
    [
      'plain',
      'Service plain/web',
      /callers go to Service plain\/web past every waypoint; label .* on it or on its Namespace/,
    ],
    ['plain', 'Service plain/fronted', null],
    ['bound', 'Service bound/web', null],
    ['bound', 'Service bound/direct', /callers go to Service bound\/direct past/],
    ['bound', 'Service plain/web', null],
    ['plain', 'Service bound/web', null],
    ['plain', 'Service bound/direct', /callers of namespace plain go to .* on it or on Namespace plain names one/],
    ['plain', 'Service plain/missing', null],
    ['plain', 'Gateway plain/web', null],
  ];
  for (const [home, parent, told] of cases) {
    const [kind = '', namespace = '', name = ''] = parent.split(/[ /]/);
    const ref = { group: '', kind, namespace, name, sectionName: null, port: null };
    const message = unreadRoute({ namespace: home }, ref, OBJECTS)?.message ?? '';
    if (told === null) assert.equal(message, '', `${home}: ${parent}`);
    else assert.match(message, told);
  }
});
