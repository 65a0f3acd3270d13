/** A client's connection, whatever it speaks. */
export interface ClientSession {
  /** Takes nothing new: ends at once when nothing is under way, else after that. */
  drain(): void;
  /** Ends everything at once. */
  destroy(): void;
}
