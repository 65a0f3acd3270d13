import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTestCa, testIdentity } from '../testing/test-ca.ts';
import { extension } from './alt-name.ts';
import { boolean, octetString, sequence } from './asn1-structure.ts';
import { TlsError } from './errors.ts';
import { createRevocations, packSerials, readCertificateName } from './revocation.ts';
import { parseRevocationFile, REVOCATION_FILE_BYTES_MAX, REVOCATION_LISTS_MAX } from './revocation-file.ts';
import { revocationListToPem } from './revocation-list-builder.ts';
import { readRevocationList } from './revocation-list.ts';

const SEED = 20261126;
const ca = createTestCa();
const other = createTestCa({ name: 'Other' });
const web = testIdentity('shop', 'web');

function leaf(from = ca): Buffer {
  return from.issueCertificate({ altNames: [{ kind: 'uri', value: web }] }).certificate;
}

/** Of each certificate, whether the file withdraws it. */
function revokes(file: string | Uint8Array, ...certificates: readonly Buffer[]): readonly boolean[] {
  const revocations = createRevocations(parseRevocationFile(Buffer.from(file)).map(({ serials }) => serials));
  return certificates.map((certificate) => {
    const name = readCertificateName(certificate);
    assert.ok(name);
    return revocations.isRevoked(name);
  });
}

function refusal(file: string | Uint8Array): unknown {
  try {
    return parseRevocationFile(Buffer.from(file)).length;
  } catch (error) {
    assert.ok(error instanceof TlsError && error.code === 'invalid-revocation-list');
    return error.data['list'] === undefined
      ? error.data['reason']
      : `${String(error.data['list'])} ${String(error.data['reason'])}`;
  }
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64');
}

test('a file withdraws what its lists name, each for its own issuer', () => {
  const [a, b, foreign] = [leaf(), leaf(), leaf(other)];
  const foreignSerial = readCertificateName(foreign)?.serial ?? '';
  const forA = ca.revocationList([a]);
  assert.deepEqual(
    {
      pem: revokes(forA, a, b),
      der: revokes(derOf(forA), a, b),
      both: revokes(forA + ca.revocationList([b]) + other.revocationList([foreign]), a, b, foreign),
      // The number is on a list, but not on one of the issuer's own.
      otherIssuer: revokes(ca.revocationList([], { serials: [foreignSerial] }), foreign),
      authority: revokes(ca.rootRevocationList([ca.intermediate]), ca.intermediate, a),
      nobody: revokes(ca.revocationList([]), a),
      beside: revokes(`${ca.rootPem}\n# of the root\n${forA}`, a, b),
      none: revokes(ca.rootPem, a),
      empty: revokes(' \n', a),
    },
    {
      pem: [true, false],
      der: [true, false],
      both: [true, true, true],
      otherIssuer: [false],
      authority: [true, false],
      nobody: [false],
      beside: [true, false],
      none: [false],
      empty: [false],
    },
  );
});

test('a list tells when it was made and until when it was promised to do', () => {
  const [thisUpdateMs, nextUpdateMs] = [Date.UTC(2026, 10, 1), Date.UTC(2051, 0, 1)];
  const [list] = parseRevocationFile(Buffer.from(ca.revocationList([leaf()], { thisUpdateMs, nextUpdateMs })));
  assert.deepEqual({ ...list, serials: undefined }, { serials: undefined, entryCount: 1, thisUpdateMs, nextUpdateMs });
});

test('a file with anything that cannot be read withdraws nothing and says which list it is', () => {
  const good = ca.revocationList([leaf()]);
  const critical = (id: string, value = sequence()): string =>
    ca.revocationList([leaf()], { extensions: [extension(id, true, value)] });
  const indirect = sequence(Object.assign(boolean(true), { tagClass: 0x80, type: 4 }));
  assert.deepEqual(
    {
      text: refusal('no list at all'),
      cut: refusal(good.slice(0, -40)),
      secondCut: refusal(good + good.slice(0, -40)),
      notBase64: refusal(good.replace('\nM', '\n*')),
      certificate: refusal(derOf(ca.rootPem)),
      delta: refusal(good + critical('2.5.29.27', octetString(Buffer.from([1])))),
      indirect: refusal(critical('2.5.29.28', indirect)),
      partial: refusal(critical('2.5.29.28')),
      unknown: refusal(critical('1.2.3.4')),
      unknownButHarmless: refusal(
        ca.revocationList([leaf()], { extensions: [extension('1.2.3.4', false, sequence())] }),
      ),
      entryOfAnotherIssuer: refusal(
        ca.revocationList([leaf()], { entryExtensions: [extension('2.5.29.29', true, sequence())] }),
      ),
      entryWithReason: refusal(
        ca.revocationList([leaf()], { entryExtensions: [extension('2.5.29.21', false, sequence())] }),
      ),
      serial: refusal(ca.revocationList([], { serials: ['11'.repeat(33)] })),
      many: refusal(good.repeat(REVOCATION_LISTS_MAX + 1)),
      large: refusal(Buffer.alloc(REVOCATION_FILE_BYTES_MAX + 1)),
    },
    {
      text: '1 malformed',
      cut: '1 malformed',
      secondCut: '2 malformed',
      notBase64: '1 malformed',
      certificate: '1 malformed',
      delta: '2 delta-list',
      indirect: '1 indirect-list',
      partial: 1,
      unknown: '1 unknown-critical-extension',
      unknownButHarmless: 1,
      entryOfAnotherIssuer: '1 unknown-critical-extension',
      entryWithReason: 1,
      serial: '1 serial-too-long',
      many: 'too-many-lists',
      large: 'file-too-large',
    },
  );
});

test('readRevocationList() refuses every list that is cut short, and survives every byte that is not what it was', () => {
  const der = derOf(ca.revocationList([leaf(), leaf()]));
  for (let length = 0; length < der.length; length++) {
    assert.equal(readRevocationList(der.subarray(0, length)), 'malformed', `${length} bytes`);
  }
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.nat(255), fc.nat(der.length), (at, byte, cut) => {
      const bad = Buffer.from(der.subarray(0, Math.max(cut, at + 1)));
      bad[at] = byte;
      readRevocationList(bad);
    }),
    { seed: SEED, numRuns: 5000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void readRevocationList(bytes)),
    { seed: SEED, numRuns: 5000 },
  );
});

test('a hundred thousand entries take as many times the length of one, and are found', () => {
  const count = 100_000;
  const serials = Array.from({ length: count }, (_, index) => {
    const serial = Buffer.alloc(16);
    serial.writeUInt32BE((index * 2_654_435_761) >>> 0, 0);
    serial.writeUInt32BE(index, 12);
    serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f);
    return serial;
  });
  const packed = packSerials(
    'issuer',
    serials.map((serial) => serial.toString('latin1')),
  );
  const revocations = createRevocations([packed]);
  const found = serials.filter((serial) => revocations.isRevoked({ issuer: 'issuer', serial: serial.toString('hex') }));
  const absent = serials.filter((serial) =>
    revocations.isRevoked({ issuer: 'issuer', serial: `${serial.toString('hex')}00` }),
  );
  assert.deepEqual(
    [packed.bytes.byteLength, revocations.size, found.length, absent.length],
    [count * 16, count, count, 0],
  );
});

test('serial numbers of every length are found, with whatever stands in front of them', () => {
  const serials = ['01', '7f', '0100', 'ffffffffffffffffffffffffffffffffffffffff'];
  const der = derOf(ca.revocationList([], { serials }));
  const [list] = parseRevocationFile(der);
  assert.ok(list);
  const revocations = createRevocations([list.serials]);
  const { issuer } = list.serials;
  assert.deepEqual(
    [...serials, '00', '02', '0101', '01ff'].map((serial) => revocations.isRevoked({ issuer, serial })),
    [true, true, true, true, false, false, false, false],
  );
});

test('revocationListToPem() and parseRevocationFile() agree with OpenSSL on a list', async () => {
  const pem = ca.revocationList([leaf()]);
  const { execFileSync } = await import('node:child_process');
  let text: string;
  try {
    text = execFileSync('openssl', ['crl', '-noout', '-text'], { input: pem, encoding: 'utf8' });
  } catch {
    // Not every machine has it.
    return;
  }
  assert.match(text, /Version 2/);
  assert.match(text, /Serial Number: [0-9A-F]{32}/);
  assert.equal(revocationListToPem(derOf(pem)), pem);
});
