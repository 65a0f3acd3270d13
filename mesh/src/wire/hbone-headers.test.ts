import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseSocketAddress } from '../model/address.ts';
import { buildWorkload } from '../testing/workload-builder.ts';
import {
  type Baggage,
  baggageOf,
  formatBaggage,
  formatForwarded,
  parseBaggage,
  parseForwardedHost,
} from './hbone-headers.ts';

const FULL: Baggage = {
  clusterId: 'cluster-1',
  namespace: 'shop',
  workloadType: 'deployment',
  workloadName: 'web',
  canonicalName: 'web-app',
  canonicalRevision: 'v2',
  region: 'eu-1',
  zone: 'eu-1a',
};
const FULL_TEXT =
  'k8s.cluster.name=cluster-1,k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web-app,service.version=v2,cloud.region=eu-1,cloud.availability_zone=eu-1a';

describe('formatBaggage()', () => {
  const table: readonly [name: string, baggage: Baggage, expected: string][] = [
    ['writes every member in the order of the protocol', FULL, FULL_TEXT],
    ['writes nothing for nothing', {}, ''],
    [
      'leaves out what is absent or empty',
      { namespace: 'shop', clusterId: '', zone: 'z' },
      'k8s.namespace.name=shop,cloud.availability_zone=z',
    ],
    ['names the kind of the workload', { workloadType: 'cronjob', workloadName: 'x' }, 'k8s.cronjob.name=x'],
    ['takes a workload of no kind for a pod', { workloadName: 'x' }, 'k8s.pod.name=x'],
    [
      'escapes what would end a member',
      { namespace: 'a,b;c d"e\\f%g\r\nh\u00e4' },
      'k8s.namespace.name=a%2Cb%3Bc%20d%22e%5Cf%25g%0D%0Ah%C3%A4',
    ],
    ['writes half of a character pair as a replacement', { namespace: '\ud800' }, 'k8s.namespace.name=%EF%BF%BD'],
  ];
  for (const [name, baggage, expected] of table) {
    test(name, () => assert.equal(formatBaggage(baggage), expected));
  }
});

describe('parseBaggage()', () => {
  const table: readonly [name: string, header: string, expected: Baggage][] = [
    ['reads every member', FULL_TEXT, FULL],
    ['reads nothing from nothing', '', {}],
    ['reads a job', 'k8s.job.name=x', { workloadType: 'job', workloadName: 'x' }],
    [
      'skips unknown members and those without a value',
      'a=b,k8s.namespace.name=,service.name,=x,,service.version=v',
      { canonicalRevision: 'v' },
    ],
    [
      'skips spaces and properties',
      ' k8s.namespace.name = shop ;ttl=3 , cloud.region=r;x',
      { namespace: 'shop', region: 'r' },
    ],
    ['keeps the first of a key', 'k8s.namespace.name=a,k8s.namespace.name=b', { namespace: 'a' }],
    [
      'keeps the first workload, with its kind',
      'k8s.pod.name=a,k8s.deployment.name=b',
      { workloadType: 'pod', workloadName: 'a' },
    ],
    ['keeps an equals sign in a value', 'service.name=a=b', { canonicalName: 'a=b' }],
    ['undoes escapes', 'k8s.namespace.name=a%2Cb', { namespace: 'a,b' }],
    ['leaves a broken escape as it is', 'k8s.namespace.name=a%2', { namespace: 'a%2' }],
    ['reads no member of the prototype', '__proto__=x,constructor=y', {}],
    ['does not look into a header beyond its bound', `service.name=${'x'.repeat(8192)}`, {}],
  ];
  for (const [name, header, expected] of table) {
    test(name, () => assert.deepEqual(parseBaggage(header), expected));
  }

  test('looks into a header of exactly its bound', () => {
    const value = 'x'.repeat(8192 - 'service.name='.length);
    assert.deepEqual(parseBaggage(`service.name=${value}`), { canonicalName: value });
    assert.equal(parseForwardedHost(`host=web;x=${'y'.repeat(8192 - 'host=web;x='.length)}`), 'web');
  });

  test('undoes format for any values, and the text is safe for a header', () => {
    const value = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).filter((text) => text.trim() === text);
    const baggage: fc.Arbitrary<Baggage> = fc.record(
      {
        clusterId: value,
        namespace: value,
        canonicalName: value,
        canonicalRevision: value,
        region: value,
        zone: value,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(baggage, (given) => {
        const text = formatBaggage(given);
        assert.match(text, /^[!-~]*$/);
        assert.deepEqual(parseBaggage(text), { ...given });
      }),
      { seed: 20261121, numRuns: 300 },
    );
  });

  test('never fails', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        parseBaggage(text);
        parseForwardedHost(text);
      }),
      { seed: 20261121, numRuns: 500 },
    );
  });
});

describe('baggageOf()', () => {
  test('tells what a workload is', () => {
    const workload = buildWorkload({
      workloadType: 'deployment',
      canonicalName: 'web-app',
      canonicalRevision: 'v2',
      locality: { region: 'eu-1', zone: 'eu-1a', subzone: 'rack' },
    });
    assert.deepEqual(baggageOf(workload), FULL);
  });
  test('leaves out what is not known', () => {
    const workload = buildWorkload({
      clusterId: '',
      namespace: '',
      workloadName: '',
      canonicalName: '',
      canonicalRevision: '',
    });
    assert.deepEqual(baggageOf(workload), {});
  });
});

describe('forwarded', () => {
  test('names the client, and the service when one was asked for', () => {
    assert.equal(formatForwarded({ client: parseSocketAddress('10.0.0.1:80') }), 'for="10.0.0.1:80"');
    assert.equal(
      formatForwarded({ client: parseSocketAddress('[::1]:80'), serviceHostname: 'web.shop' }),
      'for="[::1]:80";host=web.shop',
    );
  });
  const table: readonly [header: string, expected: string | undefined][] = [
    ['for="10.0.0.1:80";host=web.shop', 'web.shop'],
    ['host="Web.Shop"; for=x', 'web.shop'],
    ['for=x; HOST=web', 'web'],
    ['for=x;host=a, for=y;host=b', 'a'],
    ['for=x, for=y;host=b', undefined],
    ['for="10.0.0.1:80"', undefined],
    ['host=', undefined],
    ['host=a b', undefined],
    ['xhost=a', undefined],
    ['', undefined],
    [`host=${'a'.repeat(254)}`, undefined],
    [`host=web;x=${'y'.repeat(8192)}`, undefined],
  ];
  for (const [header, expected] of table) {
    test(`${header.slice(0, 40)} asks for ${expected}`, () => assert.equal(parseForwardedHost(header), expected));
  }
});
