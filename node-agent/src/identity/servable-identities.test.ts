import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testIdentity } from '@ambit/mesh/testing';
import { ServableIdentities } from './servable-identities.ts';

const web = testIdentity('shop', 'web');
const db = testIdentity('shop', 'db');

test('ServableIdentities waits for the certificate of the identity and for the view, whichever is last', async () => {
  const signal = new AbortController().signal;
  for (const viewFirst of [true, false]) {
    const servable = new ServableIdentities();
    const heard: string[] = [];
    const waiting = [
      servable.when(web, signal).then(() => heard.push('web')),
      servable.when(db, signal).then(() => heard.push('db')),
    ];
    if (viewFirst) servable.viewIsThere();
    servable.certificateIsThere(web);
    if (!viewFirst) servable.viewIsThere();
    await waiting[0];
    assert.deepEqual(heard, ['web']);
    servable.certificateIsThere(db);
    await waiting[1];
    await servable.when(web, signal);
  }
});

test('ServableIdentities forgets whoever gives up, and certificates that are gone', async () => {
  const servable = new ServableIdentities();
  servable.viewIsThere();
  servable.certificateIsThere(web);
  servable.certificateIsGone(web);
  const stop = new AbortController();
  const waiting = servable.when(web, stop.signal);
  stop.abort(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  await assert.rejects(servable.when(web, stop.signal), /gone/);
});
