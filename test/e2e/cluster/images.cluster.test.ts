import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type BuiltImage, buildImages } from '../../../scripts/images/build-images.ts';
import { filesOfImage, readFileOfImage, readImageManifest } from '../../../scripts/images/image-archive.ts';
import { report } from './harness/report.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const STATUS = 'var/lib/dpkg/status.d/';
/** What an image may weigh, in MiB; some more than it does. */
const MAX_MIB = 140;

/** As much of a CycloneDX document as is asked for here. */
interface Bill {
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
  readonly components: readonly { readonly name: string; readonly purl: string }[];
}

const EXPECTED = {
  controller: { user: '65532:65532', has: [], lacks: ['usr/sbin/nft', 'opt/ambit/ambit-cni'], packages: ['yaml'] },
  'node-agent': { user: '0:1337', has: [], lacks: ['usr/sbin/nft', 'opt/ambit/ambit-cni'], packages: ['koffi'] },
  waypoint: { user: '65532:65532', has: [], lacks: ['usr/sbin/nft', 'opt/ambit/ambit-cni'], packages: ['re2js'] },
  cni: {
    user: '0:0',
    has: ['usr/sbin/nft', 'usr/sbin/ip', 'opt/ambit/ambit-cni'],
    lacks: [],
    packages: ['koffi', 'nftables', 'iproute2'],
  },
} as const;
const NAMES = ['controller', 'node-agent', 'waypoint', 'cni'] as const;

let images: ReadonlyMap<string, BuiltImage>;
before(async () => {
  images = new Map((await buildImages(ROOT)).map((image) => [image.name, image]));
});

for (const name of NAMES) {
  describe(`image ambit/${name}`, () => {
    const { user, has, lacks, packages } = EXPECTED[name];
    const image = (): BuiltImage => images.get(name) ?? assert.fail(`${name} was not built`);

    test('runs one program as the user it is meant for', async () => {
      const { names, config } = await readImageManifest(image().path);
      // One registry or another stands before it: whichever the builder and the container runtime take for the usual one.
      assert.deepEqual(
        names.filter((each) => !each.endsWith(`/${image().reference}`)),
        [],
      );
      assert.deepEqual(
        { user: config.User, entrypoint: config.Entrypoint },
        { user, entrypoint: ['/usr/bin/node', `/opt/ambit/${name}.mjs`] },
      );
    });

    test('holds what that program needs, and no shell or package manager', async () => {
      const files = await filesOfImage(image().path);
      const wanted = ['usr/bin/node', `opt/ambit/${name}.mjs`, 'usr/share/doc/ambit/LICENSE', ...has];
      assert.deepEqual(
        wanted.filter((file) => !files.includes(file)),
        [],
      );
      const banned = files.filter((file) =>
        /\/(?:sh|bash|dash|busybox|apt|apt-get|dpkg|npm|tar|curl)$/.test(`/${file}`),
      );
      assert.deepEqual([...banned, ...lacks.filter((file) => files.includes(file))], []);
      const mib = image().bytes / 1024 / 1024;
      report(`image ambit/${name}`, `${mib.toFixed(0)} MiB (at most ${MAX_MIB})`);
      assert.ok(mib <= MAX_MIB, `${mib} MiB`);
    });

    test('its bill of materials lists every package that a file is from, and the licences of those bundled', async () => {
      const text = readFileSync(image().sbomPath, 'utf8');
      const bill = JSON.parse(text) as Bill;
      assert.equal(`${bill.metadata.component.name}:${bill.metadata.component.version}`, image().reference);
      const debian = (await filesOfImage(image().path)).filter((file) => file.startsWith(STATUS));
      assert.ok(debian.length > 0);
      assert.deepEqual(
        bill.components
          .filter(({ purl }) => purl.startsWith('pkg:deb/'))
          .map((component) => component.name)
          .sort(),
        debian.map((file) => file.slice(STATUS.length)).sort(),
      );
      const listed = new Set(bill.components.map((component) => component.name));
      assert.deepEqual(
        ['node', 'pino', ...packages].filter((each) => !listed.has(each)),
        [],
      );
      const licences = (await readFileOfImage(image().path, 'usr/share/doc/ambit/LICENSES.npm')).toString('utf8');
      for (const { name: each, purl } of bill.components) {
        if (purl.startsWith('pkg:npm/')) assert.ok(licences.includes(`\n${each} `), each);
      }
    });
  });
}
