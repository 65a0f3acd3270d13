import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WaypointBinding, WaypointFault } from '../../translate/decide-waypoint-binding.ts';
import { decideWaypointBound } from './decide-waypoint-bound.ts';
import { decideClassStatus } from './decide-class-status.ts';

const waypoint = { namespace: 'infra', name: 'wp' };
const bound = (fault: WaypointFault | null): WaypointBinding => ({ kind: 'bound', waypoint, fault });

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
      const decided = decideWaypointBound(binding, readyPods);
      const text = `${decided?.status} ${decided?.reason}`;
      assert.deepEqual([decided?.type, text, decided?.message], ['ambit.dev/WaypointBound', status, message]);
    });
  }

  test('nothing of a Service that names none', () => {
    assert.equal(decideWaypointBound({ kind: 'none', reason: 'not-labelled' }, 1), null);
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
