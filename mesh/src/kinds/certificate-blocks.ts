const BLOCK = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,32768})-----END CERTIFICATE-----/g;
const DER_SEQUENCE = 0x30;
const DER_LONG_FORM = 0x80;

/**
 * The PEM blocks of a text, each in one form and once, in order; text around them is ignored. Null when there is none, or
 * when one cannot be a certificate: then nobody knows what the rest is worth.
 */
export function certificateBlocks(text: string): readonly string[] | null {
  const blocks = new Set<string>();
  for (const [, content = ''] of text.matchAll(BLOCK)) {
    const der = Buffer.from(content, 'base64');
    const base64 = der.toString('base64');
    // Node stops reading at the first padding, whatever follows it.
    if (!isOneSequence(der) || base64 !== content.replaceAll(/\s/g, '')) return null;
    const lines = base64.match(/.{1,64}/g) ?? [];
    blocks.add(`-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`);
  }
  return blocks.size === 0 ? null : [...blocks];
}

/** Whether the bytes are one DER SEQUENCE, from the first to the last. */
function isOneSequence(der: Uint8Array): boolean {
  const [tag, first = 0] = der;
  if (tag !== DER_SEQUENCE || first <= DER_LONG_FORM) return false;
  const count = first - DER_LONG_FORM;
  if (count > 3) return false;
  const length = der.subarray(2, 2 + count).reduce((sum, byte) => sum * 256 + byte, 0);
  return der.length === 2 + count + length;
}
