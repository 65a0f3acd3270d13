/** What an exchange needs of the client's connection. */
export interface ExchangeHost {
  /** The request may be read on, if it may at all. */
  onReadable(): void;
  /** The request is to be read no further for now. */
  onUnreadable(): void;
  /** Both directions are bytes from now on. */
  onTunnel(): void;
  /** The answer has been written whole; another request may follow or not. */
  onAnswered(mayGoOn: boolean): void;
  /** The answer could not be completed: its connection, or its stream with this code, must end so that the client knows. */
  onCut(http2Code: number): void;
}
