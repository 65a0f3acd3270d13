/** Makes texts that only it can read or make. */
export interface SessionSeal {
  /** Only letters, digits, `-` and `_`. Two of the same text differ. */
  seal(text: string, context: string): string;
  /** Null for whatever this seal did not make, or made for another context. */
  open(token: string, context: string): string | null;
}
