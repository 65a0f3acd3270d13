import {
  type EncodedFields,
  encodeFields,
  type FieldBlock,
  type HeadWriter,
  type MessageHead,
} from '@ambit/mesh/http1';
import { fieldBlockOf } from '@ambit/mesh/http2';
import type { HeaderEdits } from '@ambit/mesh/routes';

/** Edits of a head, ready to be applied without making an object. */
export interface CompiledEdits {
  /** In lower case. */
  readonly dropped: readonly string[];
  readonly appended: EncodedFields | undefined;
  /** The same for HTTP/2, which has no Host. */
  readonly appendedFields: FieldBlock | undefined;
  /** The Host that is appended. */
  readonly host: string | null;
}

export const NO_COMPILED_EDITS: CompiledEdits = {
  dropped: [],
  appended: undefined,
  appendedFields: undefined,
  host: null,
};

/** @throws RangeError for a field that cannot be sent; whoever admits configuration has looked at that before. */
export function compileEdits(edits: HeaderEdits): CompiledEdits {
  if (edits.dropped.size === 0 && edits.appended.length === 0) return NO_COMPILED_EDITS;
  const fields = edits.appended.map(({ name, value }) => [name, value] as const);
  const appended = encodeFields(fields);
  if (typeof appended === 'string') throw new RangeError(`a header cannot be sent: ${appended}`);
  const dropped = [...edits.dropped];
  if (fields.length === 0) return { ...NO_COMPILED_EDITS, dropped };
  const [, host = null] = fields.findLast(([name]) => name.toLowerCase() === 'host') ?? [];
  return { dropped, appended, appendedFields: fieldBlockOf(fields), host };
}

/** Marks in `dropped` all fields of the head with this name in lower case. */
export function dropNamed(head: FieldBlock, dropped: Uint8Array, lowerName: string): void {
  for (let index = head.find(lowerName); index >= 0; index = head.find(lowerName, index + 1)) dropped[index] = 1;
}

/** Marks what the edits take away. */
export function dropEdited(head: MessageHead, dropped: Uint8Array, edits: CompiledEdits): void {
  const names = edits.dropped;
  for (let i = 0; i < names.length; i += 1) dropNamed(head, dropped, names[i] ?? '');
}

/** Writes what the edits add, in HTTP/1.1. */
export function appendEdited(writer: HeadWriter, edits: CompiledEdits): void {
  if (edits.appended !== undefined) writer.encoded(edits.appended);
}
