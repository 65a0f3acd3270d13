import type { Party } from './http-world.ts';

export const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n';
/** An answer as a server writes it. */
export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** The same as a client gets it. */
export const OK_OUT = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

/** Answers every request without a body. */
export const answers =
  (answer: string = OK) =>
  (party: Party): void => {
    party.onPiece = (from, memory, start, end) => {
      const heads = memory.toString('latin1', start, end).split('\r\n\r\n').length - 1;
      for (let i = 0; i < heads; i += 1) from.send(answer);
    };
  };

/** What a client gets where the proxy answers itself. */
export function refusal(status: string, text: string, closes: boolean): string {
  const option = closes ? 'connection: close\r\n' : '';
  return `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${text.length + 1}\r\n${option}\r\n${text}\n`;
}
