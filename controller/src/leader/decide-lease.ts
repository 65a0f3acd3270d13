/** What a Lease says, as far as an election reads it. */
export interface LeaseRecord {
  /** Empty when the last holder gave it back. */
  readonly holder: string;
  readonly durationMs: number;
  readonly transitions: number;
  /** As the holder wrote it. Handed on and never compared with our clock. */
  readonly acquireTime: string;
}

/** The lease as this replica sees it. */
export interface LeaseView {
  /** Null while there is no Lease. */
  readonly record: LeaseRecord | null;
  /** How long this replica has seen no change of it, by its own clock. */
  readonly unchangedForMs: number;
  /** Least time a holder is given, whatever the record says. */
  readonly durationMs: number;
  /** Who asks. */
  readonly self: string;
}

export type LeaseDecision =
  | { readonly kind: 'create' }
  | { readonly kind: 'renew' }
  /** The holder gave it up, or has not renewed it for as long as it is valid. */
  | { readonly kind: 'take'; readonly from: string }
  | { readonly kind: 'wait'; readonly holder: string };

/**
 * What to do about the lease now. Times that another machine wrote are not looked at: whether a holder is alive is told by
 * changes that we saw ourselves, so that clocks may differ by any amount.
 */
export function decideLease({ record, unchangedForMs, durationMs, self }: LeaseView): LeaseDecision {
  if (record === null) return { kind: 'create' };
  if (record.holder === self) return { kind: 'renew' };
  if (record.holder === '') return { kind: 'take', from: '' };
  if (unchangedForMs >= Math.max(record.durationMs, durationMs)) return { kind: 'take', from: record.holder };
  return { kind: 'wait', holder: record.holder };
}
