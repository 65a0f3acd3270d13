import { test } from 'node:test';
import { readdirSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { PodWorld, readAll } from './pod-world.ts';
const fds = () => readdirSync('/proc/self/fd').length;
test('descriptors run out', { timeout: 90_000 }, async () => {
  process.on('uncaughtException', (e) => console.log('UNCAUGHT', e));
  await using world = await PodWorld.create([{ name: 'outsider', captured: false }, { name: 'server' }, { name: 'client' }]);
  await world.pod('server').serve(8080, (socket) => { readAll(socket).then((t) => socket.end(`echo ${t}`), () => {}); });
  console.log('ok', await world.pod('client').exchange('10.77.0.2:8080', 'x'), 'fds', fds());
  for (const port of [15008, 8080]) {
  const ns = `--net=${world.pod('outsider').netns.path}`;
  const child = spawn('nsenter', [ns, 'python3', '-c', `
import socket,time,sys
ss=[]
for i in range(400):
  s=socket.socket(); s.settimeout(0.5)
  try:
    s.connect(('10.77.0.2',${port})); ss.append(s)
    ${port === 8080 ? "s.send(b'y')" : 'pass'}
  except Exception as e: pass
print(len(ss)); sys.stdout.flush(); time.sleep(4)
`], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [n] = await once(child.stdout, 'data');
  console.log('flooder opened', String(n).trim(), 'fds', fds());
  const tries = [];
  for (let i = 0; i < 5; i++) tries.push(await Promise.race([world.pod('client').exchange('10.77.0.2:8080', 'x').catch((e) => e.code ?? e.message), sleep(3000, 'TIMEOUT')]));
  console.log('during', tries.join());
  await once(child, 'exit');
  await sleep(1500);
  console.log('after', await Promise.race([world.pod('client').exchange('10.77.0.2:8080', 'x').catch((e) => e.code), sleep(5000, 'TIMEOUT')]), 'fds', fds(), JSON.stringify(world.nodeOf('server').metrics().refusals), JSON.stringify(world.nodeOf('client').metrics().refusals));
  }
});
