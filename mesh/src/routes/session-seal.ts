/** What a token holds. */
export interface OpenedToken {
  readonly text: string;
  /** It was sealed as the next one would be: there is no need for another. */
  readonly isCurrent: boolean;
}

/** Makes texts that only it can read or make. */
export interface SessionSeal {
  /** Only letters, digits, `-` and `_`. Two of the same text differ. */
  seal(text: string, context: string): string;
  /** Null for whatever this seal did not make, or made for another context. */
  open(token: string, context: string): OpenedToken | null;
}
