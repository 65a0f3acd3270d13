import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMeshViewStore, type Workload } from '@ambit/mesh/model';
import { buildService, buildWorkload } from '@ambit/mesh/testing';
import { client } from '../../test/outbound-decision.ts';
import { selectEndpoint } from './load-balance.ts';
import { OpenConnections } from './open-connections.ts';

const service = buildService();
const endpoint = (name: string, capacity = 1): Workload =>
  buildWorkload({ name, addresses: [`10.0.1.${name.length}`], capacity, services: { [service.key]: ['80:8080'] } });

/** Who gets the next connection. `randoms` are drawn in turn. */
function chosen(
  workloads: readonly Workload[],
  open: Readonly<Record<string, number>>,
  randoms: readonly number[],
): string {
  const store = createMeshViewStore();
  store.apply({ services: [service], workloads });
  let drawn = 0;
  const selection = selectEndpoint(store.view, client, service, 80, 'destination', {
    random: () => randoms[drawn++] ?? 0,
    openConnections: (uid) => open[store.view.workload(uid)?.name ?? ''] ?? 0,
  });
  return selection.kind === 'selected' ? selection.workload.name : selection.reason;
}

describe('selectEndpoint() among equals', () => {
  const [a, b, c] = [endpoint('a'), endpoint('bb'), endpoint('ccc')];

  test('draws two and takes the one with fewer open connections', () => {
    // 0.4 of three is b; of those that are left, 0 is a and 0.9 is c.
    assert.equal(chosen([a, b, c], { bb: 2, a: 1, ccc: 0 }, [0.4, 0]), 'a');
    assert.equal(chosen([a, b, c], { bb: 2, a: 1, ccc: 0 }, [0.4, 0.9]), 'ccc');
    assert.equal(chosen([a, b, c], { bb: 0, a: 1, ccc: 1 }, [0.4, 0.9]), 'bb');
  });

  test('never takes the busiest, and of two always the one with fewer', () => {
    for (let i = 0; i < 10; i++) {
      for (let j = 0; j < 10; j++) {
        assert.notEqual(chosen([a, b, c], { a: 5, bb: 4, ccc: 3 }, [i / 10, j / 10]), 'a');
        assert.equal(chosen([a, b], { a: 5, bb: 4 }, [i / 10, j / 10]), 'bb');
      }
    }
  });

  test('takes the first of two with as many, which is random', () => {
    assert.deepEqual(
      [0, 0.4, 0.9].map((random) => chosen([a, b, c], { a: 7, bb: 7, ccc: 7 }, [random, 0])),
      ['a', 'bb', 'ccc'],
    );
  });

  test('compares connections for the capacity that there is', () => {
    const [big, small] = [endpoint('big', 10), endpoint('small', 1)];
    assert.equal(chosen([big, small], { big: 9, small: 1 }, [0.99, 0]), 'big');
    assert.equal(chosen([big, small], { big: 11, small: 1 }, [0, 0]), 'small');
    assert.equal(chosen([big, small], { big: 10, small: 1 }, [0, 0]), 'big');
    const idle = [0, 0.5, 0.95].map((random) => chosen([big, small], {}, [random, 0]));
    assert.deepEqual(idle, ['big', 'big', 'small']);
  });

  test('has no choice with one, and leaves out what has no capacity', () => {
    assert.equal(chosen([a], { a: 1000 }, [0.5]), 'a');
    assert.equal(chosen([a, endpoint('none', 0)], { a: 1000 }, [0.5, 0.5]), 'a');
  });

  test('spreads many connections that stay open evenly', () => {
    const workloads = Array.from({ length: 10 }, (_, i) => endpoint('x'.repeat(i + 1)));
    const store = createMeshViewStore();
    store.apply({ services: [service], workloads });
    const open = new OpenConnections();
    let seed = 1;
    const random = (): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    for (let i = 0; i < 1000; i++) {
      const selection = selectEndpoint(store.view, client, service, 80, 'destination', {
        random,
        openConnections: (uid) => open.count(uid),
      });
      if (selection.kind === 'selected') open.add(selection.workload.uid);
    }
    const counts = workloads.map(({ uid }) => open.count(uid));
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 6, counts.join());
  });
});

test('open connections are counted until the last one is over', () => {
  const open = new OpenConnections();
  const { uid } = client;
  open.add(uid);
  open.add(uid);
  assert.equal(open.count(uid), 2);
  open.remove(uid);
  assert.equal(open.count(uid), 1);
  open.remove(uid);
  assert.equal(open.count(uid), 0);
});
