import { createRequire } from 'node:module';

/** The class under `node:http`, which Node does not document. */
interface HttpParser {
  initialize(type: number, resource: object): void;
  execute(bytes: Buffer): number | Error;
  [callback: number]: (...values: never[]) => number | undefined;
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  readonly HTTPParser: (new () => HttpParser) & Readonly<Record<string, number>>;
  readonly methods: readonly string[];
};

const constant = (name: string): number => HTTPParser[name] ?? -1;

/** What `node:http` gets told of a head. */
export interface LlhttpHead {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly string[];
}

/** Reads messages of one kind with llhttp, set up as `node:http` does. Counts them. */
export class LlhttpReader {
  count = 0;
  private readonly parser = new HTTPParser();

  constructor(type: 'REQUEST' | 'RESPONSE', onHead: (head: LlhttpHead) => void = () => {}) {
    const { parser } = this;
    parser.initialize(constant(type), {});
    parser[constant('kOnHeaders')] = () => undefined;
    parser[constant('kOnHeadersComplete')] = (
      ...[, , fields, method, url]: [number, number, readonly string[], number, string]
    ) => {
      onHead({ method: methods[method] ?? '', url, fields });
      return 0;
    };
    parser[constant('kOnBody')] = () => undefined;
    parser[constant('kOnMessageComplete')] = () => {
      this.count += 1;
      return undefined;
    };
  }

  read(bytes: Buffer): void {
    const result = this.parser.execute(bytes);
    if (typeof result !== 'number') throw result;
  }
}
