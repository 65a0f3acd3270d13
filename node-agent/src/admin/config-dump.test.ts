import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildService } from '@ambit/mesh/testing';
import { dumpService } from './config-dump.ts';

test('dumpService() shows what a service has by name', () => {
  const service = { ...buildService({ addresses: ['10.0.0.0/24'] }), portNames: new Map([['http', 80]]) };
  const shown: unknown = JSON.parse(JSON.stringify(dumpService(service)));
  assert.partialDeepStrictEqual(shown, { portNames: { http: 80 }, vips: ['/10.0.0.0/24'] });
});
