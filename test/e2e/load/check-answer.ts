/** Fields of an answer that prove whose answer it is. */
export const SERVED_BY = 'x-load-served-by';
export const NUMBER = 'x-load-number';
export const BODY_BYTES = 'x-load-body-bytes';

/** What a request was, as far as its answer has to tell it. */
export interface Asked {
  readonly number: number;
  readonly bodyBytes: number;
}

export type AnswerFields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What is wrong with an answer; null when it is the one to this request. */
export function checkAnswer(status: number | undefined, fields: AnswerFields, asked: Asked): string | null {
  if (status !== 200) return `status ${status}`;
  if (fields[NUMBER] !== String(asked.number)) return 'the answer to another request';
  if (fields[BODY_BYTES] !== String(asked.bodyBytes)) return 'the server got another body';
  return null;
}

export function servedBy(fields: AnswerFields): string {
  const name = fields[SERVED_BY];
  return typeof name === 'string' ? name : 'unnamed';
}

/** What a number in a stream comes back as. */
export function echoOf(number: string, name: string): string {
  return `${number} ${name}`;
}

/** The number and the name of an echo. */
export function parseEcho(text: string): { readonly number: string; readonly name: string } {
  const at = text.indexOf(' ');
  return at < 0 ? { number: text, name: 'unnamed' } : { number: text.slice(0, at), name: text.slice(at + 1) };
}
