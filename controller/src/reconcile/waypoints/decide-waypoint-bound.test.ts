import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CanaryBinding, CanaryFault } from '../../translate/decide-canary-waypoint.ts';
import type { WaypointBinding, WaypointFault } from '../../translate/decide-waypoint-binding.ts';
import { decideWaypointBound } from './decide-waypoint-bound.ts';
import { decideClassStatus } from './decide-class-status.ts';

const waypoint = { namespace: 'infra', name: 'wp' };
const bound = (fault: WaypointFault | null): WaypointBinding => ({ kind: 'bound', waypoint, fault });

const NO_CANARY: CanaryBinding = { kind: 'none' };

describe('decideWaypointBound()', () => {
  const rows: readonly (readonly [WaypointBinding, readyPods: number, status: string, message: string])[] = [
    [bound(null), 1, 'True WaypointAccepted', 'callers go through Gateway infra/wp'],
    [bound(null), 0, 'False WaypointIsNotReady', 'no pod of Gateway infra/wp is ready: callers are refused'],
    [bound('missing'), 0, 'False WaypointMissing', 'there is no Gateway infra/wp: callers are refused'],
    [
      bound('wrong-class'),
      0,
      'False WrongClass',
      'Gateway infra/wp is not of class ambit-waypoint: callers are refused',
    ],
    [
      bound('not-allowed'),
      1,
      'False AttachmentDenied',
      'no listener of Gateway infra/wp allows this namespace: callers are refused',
    ],
    [
      { kind: 'not-covered', waypoint },
      1,
      'False UnsupportedTrafficType',
      'Gateway infra/wp is not for services (label ambit.dev/waypoint-for): callers pass it by',
    ],
  ];
  for (const [binding, readyPods, status, message] of rows) {
    test(status, () => {
      const decided = decideWaypointBound(binding, NO_CANARY, { waypoint: readyPods, canary: 0 });
      const text = `${decided?.status} ${decided?.reason}`;
      assert.deepEqual([decided?.type, text, decided?.message], ['ambit.dev/WaypointBound', status, message]);
    });
  }

  test('nothing of a Service that names none', () => {
    const none: WaypointBinding = { kind: 'none', reason: 'not-labelled' };
    assert.equal(decideWaypointBound(none, NO_CANARY, { waypoint: 1, canary: 0 }), null);
  });

  const canary = (weight: number, fault: 'invalid-weight' | null = null): CanaryBinding => ({
    ...{ kind: 'canary', waypoint: { namespace: 'shop', name: 'next' }, weight, fault },
  });
  const unused = (fault: CanaryFault): CanaryBinding => ({
    ...{ kind: 'unused', waypoint: { namespace: 'shop', name: 'next' }, fault },
  });
  const through = 'callers go through Gateway infra/wp';
  const canaries: readonly (readonly [CanaryBinding, readyPods: number, status: string, message: string])[] = [
    [canary(10), 1, 'True WaypointAccepted', `${through}, 10 % of connections through Gateway shop/next`],
    [canary(10), 0, 'False CanaryIsNotReady', `${through}, as no pod of canary Gateway shop/next is ready`],
    [
      canary(0, 'invalid-weight'),
      1,
      'False CanaryInvalidWeight',
      `${through}; annotation ambit.dev/waypoint-canary-weight must be a whole number from 0 to 100: canary Gateway shop/next takes no connections`,
    ],
    [
      unused('missing'),
      0,
      'False CanaryMissing',
      `${through}; canary Gateway shop/next is not there: it takes no connections`,
    ],
    [
      unused('same-as-primary'),
      1,
      'False CanarySameAsPrimary',
      `${through}; canary Gateway shop/next is the waypoint itself: it takes no connections`,
    ],
  ];
  for (const [one, ready, status, message] of canaries) {
    test(`${status}, of a canary`, () => {
      const decided = decideWaypointBound(bound(null), one, { waypoint: 1, canary: ready });
      assert.deepEqual([`${decided?.status} ${decided?.reason}`, decided?.message], [status, message]);
    });
  }

  test('a canary of no waypoint is told', () => {
    const none: WaypointBinding = { kind: 'none', reason: 'not-labelled' };
    const decided = decideWaypointBound(none, unused('no-primary'), { waypoint: 0, canary: 0 });
    assert.equal(decided?.reason, 'CanaryWithoutWaypoint');
  });

  test('what refuses callers comes first', () => {
    const decided = decideWaypointBound(bound('missing'), unused('missing'), { waypoint: 0, canary: 0 });
    assert.equal(decided?.reason, 'WaypointMissing');
  });
});

test('decideClassStatus() knows whose class it is', () => {
  const ours = (spec: object): unknown =>
    decideClassStatus({ spec: { controllerName: 'ambit.dev/controller', ...spec } }, 'ambit.dev/controller');
  assert.deepEqual(ours({}), {
    kind: 'ours',
    conditions: [{ type: 'Accepted', status: 'True', reason: 'Accepted', message: 'its Gateways become waypoints' }],
  });
  assert.deepEqual(ours({ parametersRef: { group: '', kind: 'ConfigMap', name: 'x' } }), {
    kind: 'ours',
    conditions: [
      {
        ...{ type: 'Accepted', status: 'False', reason: 'InvalidParameters' },
        message: 'spec.parametersRef: parameters are those of each Gateway (spec.infrastructure.parametersRef)',
      },
    ],
  });
  assert.deepEqual(ours({ controllerName: 'example.com/other' }), { kind: 'foreign' });
  assert.deepEqual(decideClassStatus(null, 'ambit.dev/controller'), { kind: 'absent' });
});
