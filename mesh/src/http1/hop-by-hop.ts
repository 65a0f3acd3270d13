import { equalsIgnoringCase, equalsLower } from './characters.ts';
import { FieldId } from './field-names.ts';
import type { MessageHead } from './head.ts';
import { TokenList } from './token-list.ts';

/**
 * Marks with 1 in `dropped` the fields that end at this hop (RFC 9110 7.6.1), all others with 0; `dropped` has room for all.
 * Those are Connection, what it names, and what only ever speaks of one connection, named or not. `TE: trailers` stays, since
 * trailers are passed on; Upgrade stays when the upgrade is passed on, and whoever does so sends a Connection of his own.
 */
export function markHopByHop(head: MessageHead, dropped: Uint8Array, upgrade: 'pass-on' | 'drop'): void {
  for (let index = 0; index < head.count; index += 1) dropped[index] = endsHere(head, index, upgrade) ? 1 : 0;
  if (!head.namesFields) return;
  for (let index = 0; index < head.count; index += 1) {
    if (head.id(index) === FieldId.connection) markNamed(head, index, dropped);
  }
}

function endsHere(head: MessageHead, index: number, upgrade: 'pass-on' | 'drop'): boolean {
  switch (head.id(index)) {
    case FieldId.connection:
    case FieldId.keepAlive:
    case FieldId.proxyConnection:
    case FieldId.transferEncoding:
    case FieldId.http2Settings:
      return true;
    case FieldId.te:
      return !equalsLower(head.bytes, head.valueStart(index), head.valueEnd(index), 'trailers');
    case FieldId.upgrade:
      return upgrade === 'drop';
    default:
      return false;
  }
}

/** The fields that the Connection field at `connection` names. How many it may name is bounded when it is read. */
function markNamed(head: MessageHead, connection: number, dropped: Uint8Array): void {
  const { bytes } = head;
  const list = new TokenList();
  list.begin(bytes, head.valueStart(connection), head.valueEnd(connection));
  while (list.next()) {
    for (let index = 0; index < head.count; index += 1) {
      const id = head.id(index);
      if (id === FieldId.te || id === FieldId.upgrade) continue;
      if (equalsIgnoringCase(bytes, list.start, list.end, head.nameStart(index), head.nameEnd(index)))
        dropped[index] = 1;
    }
  }
}
