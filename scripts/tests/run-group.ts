import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import type { FileCoverage } from './coverage-gate.ts';
import { killChildrenRunning } from './kill-children.ts';
import { COVERED_LAYERS, type TestGroup } from './plan.ts';

/** What came out of one group; `skipReasons` are the distinct reasons its tests gave. */
export interface GroupResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skipReasons: readonly string[];
  readonly coverage: readonly FileCoverage[];
}

/** What node:test gives a file before it calls it a failure; nothing in it may take longer. */
const TEST_TIMEOUT_MS = 120_000;
/** A file that takes longer hangs, or keeps its process alive after its last test. */
const FILE_TIMEOUT_MS = 150_000;
const COVERED_FILE_BUDGET_MS = 10_000;
const OUTPUT_CHARACTERS_MAX = 20_000;

const COVERAGE = {
  coverage: true,
  coverageIncludeGlobs: COVERED_LAYERS.map((layer) => `${layer}/**/*.ts`),
  coverageExcludeGlobs: ['**/*.test.ts', '**/gen/**'],
};

/** What node:test tells about one test; the parts that are read here. */
interface TestEvent {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: {
    readonly duration_ms: number;
    readonly type?: string | undefined;
    readonly error?: { readonly cause?: unknown; readonly failureType?: unknown };
  };
}

/** One file's tests: printed as one line when they are good, with everything known when they are not. */
class FileReport {
  passed = 0;
  failed = 0;
  skipped = 0;
  durationMs = 0;
  output = '';
  readonly failures: string[] = [];
  /** A line for each test that was good, for groups that want them. */
  readonly times: string[] = [];

  add(event: TestEvent, ok: boolean, root: string): void {
    if (event.nesting === 0) this.durationMs += event.details.duration_ms;
    const skipped = event.skip !== undefined && event.skip !== false;
    // A suite fails because of a test in it, which is reported by itself; its own hooks are not.
    const ofChildren = event.details.error?.failureType === 'subtestsFailed';
    if (ok && event.details.type === 'suite') return;
    if (skipped) this.skipped += 1;
    else if (ok) {
      this.passed += 1;
      this.times.push(`     ${secondsText(event.details.duration_ms)}    ${event.name}`);
    } else if (!ofChildren) {
      this.failed += 1;
      const where = event.file === undefined ? '' : `${relative(root, event.file)}:${event.line ?? 1}`;
      const cause = event.details.error?.cause ?? event.details.error;
      this.failures.push(`not ok: ${event.name}\n  at ${where}\n${inspect(cause, { depth: 6 }).replace(/^/gm, '  ')}`);
    }
  }

  failFile(reason: string): void {
    // node:test itself reports the kill of a process, mostly as a failure without words.
    this.failed = Math.max(this.failed, 1);
    this.failures.push(`not ok: the file ${reason}`);
  }

  text(path: string, eachTest: boolean): string {
    const counts = `${this.passed} passed${this.skipped > 0 ? `, ${this.skipped} skipped` : ''}${this.failed > 0 ? `, ${this.failed} failed` : ''}`;
    const line = `${this.failed > 0 ? 'FAIL' : 'ok  '} ${secondsText(this.durationMs)}  ${path}  ${counts}`;
    const times = eachTest ? this.times : [];
    if (this.failed === 0) return [line, ...times].join('\n');
    const output = this.output === '' ? [] : [`  --- output of ${path} ---`, this.output.trimEnd()];
    return [line, ...times, ...this.failures, ...output].join('\n');
  }
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1).padStart(6)} s`;
}

/** Collects what the files of a group report, and prints each file once it has ended. */
class GroupReport {
  readonly #root: string;
  readonly #files = new Map<string, FileReport>();
  /** With how many failures. */
  readonly #printed = new Map<string, number>();
  readonly #groupFiles: ReadonlySet<string>;
  readonly #skipReasons = new Set<string>();
  readonly #eachTest: boolean;
  readonly #testTimeoutMs: number;
  #coverage: readonly FileCoverage[] = [];

  constructor(root: string, { files, eachTest = false, testTimeoutMs = TEST_TIMEOUT_MS }: TestGroup) {
    this.#root = root;
    this.#groupFiles = new Set(files);
    this.#eachTest = eachTest;
    this.#testTimeoutMs = testTimeoutMs;
  }

  /** Runs `files` to their end; those still running when `limit` says so are killed and count as failed. */
  async run(files: readonly string[], concurrency: number, limit: AbortSignal, covered: boolean): Promise<void> {
    const stream = run({
      files: files.map((file) => join(this.#root, file)),
      cwd: this.#root,
      concurrency,
      timeout: this.#testTimeoutMs,
      signal: limit,
      execArgv: ['--conditions=source'],
      ...(covered ? COVERAGE : {}),
    });
    // A test that a helper declares is told of as the helper's; where one file runs, it is that one's.
    const [only] = files.length === 1 ? files : [];
    stream.on('test:pass', (event) => {
      this.#reportOf(only ?? event.file).add(event, true, this.#root);
      if (typeof event.skip === 'string') this.#skipReasons.add(event.skip);
    });
    stream.on('test:fail', (event) => this.#reportOf(only ?? event.file).add(event, false, this.#root));
    const keepOutput = ({ file, message }: { readonly file?: string; readonly message: string }): void => {
      const report = this.#reportOf(only ?? file);
      report.output = (report.output + message).slice(-OUTPUT_CHARACTERS_MAX);
    };
    stream.on('test:stdout', keepOutput);
    stream.on('test:stderr', keepOutput);
    stream.on('test:coverage', ({ summary }) => (this.#coverage = summary.files));
    stream.on('test:summary', ({ file }) => {
      if (file !== undefined) this.#print(relative(this.#root, file));
    });
    limit.addEventListener('abort', () => killChildrenRunning(files.filter((file) => !this.#printed.has(file))), {
      once: true,
    });
    for await (const _ of stream);
    for (const file of files) {
      if (limit.aborted && !this.#printed.has(file)) {
        this.#reportOf(file).failFile('did not end in time: it hangs, or leaves a timer, socket or process behind');
      }
      this.#print(file);
    }
    // Of several files, what helpers of theirs declare.
    for (const [path, { failed }] of this.#files) if (failed > 0 && !this.#groupFiles.has(path)) this.#print(path);
  }

  result(): GroupResult {
    const all = [...this.#files.values()];
    const sum = (of: (report: FileReport) => number): number => all.reduce((total, report) => total + of(report), 0);
    return {
      passed: sum((report) => report.passed),
      failed: sum((report) => report.failed),
      skipped: sum((report) => report.skipped),
      skipReasons: [...this.#skipReasons],
      coverage: this.#coverage,
    };
  }

  #reportOf(file: string | undefined): FileReport {
    const path = file === undefined ? '' : relative(this.#root, resolve(this.#root, file));
    const report = this.#files.get(path) ?? new FileReport();
    this.#files.set(path, report);
    return report;
  }

  /** Again, when more has failed since: a file may fail after its last test. */
  #print(path: string): void {
    const report = this.#reportOf(path);
    if (this.#printed.get(path) === report.failed) return;
    this.#printed.set(path, report.failed);
    console.log(report.text(path, this.#eachTest));
  }
}

/** Runs one group, a process per file, and prints as it goes. */
export async function runGroup(
  root: string,
  group: TestGroup,
  fileTimeoutMs: number = FILE_TIMEOUT_MS,
): Promise<GroupResult> {
  const report = new GroupReport(root, group);
  // Test processes load much of the same code, which is compiled once. Lines are counted less exactly with it.
  if (group.name === 'covered') delete process.env['NODE_COMPILE_CACHE'];
  else process.env['NODE_COMPILE_CACHE'] = join(root, '.cache/compiled');
  if (group.name === 'covered') {
    // node:test merges coverage within one run, so these files share one time limit.
    const limitMs = fileTimeoutMs + (group.files.length * COVERED_FILE_BUDGET_MS) / group.concurrency;
    await report.run(group.files, group.concurrency, AbortSignal.timeout(limitMs), true);
    return report.result();
  }
  const waiting = [...group.files];
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      await report.run([file], 1, AbortSignal.timeout(fileTimeoutMs), false);
    }
  };
  await Promise.all(Array.from({ length: group.concurrency }, worker));
  return report.result();
}
