import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What tests of the mutated files need besides node_modules. */
const COPIED = ['package.json', 'tsconfig.json', 'mesh', 'node-agent', 'controller', 'waypoint', 'test', 'examples'];
const TEST_TIMEOUT_MS = 60_000;

/** How a run of test files ended. A run that had to be cut off counts as failed: the mutation made it hang. */
export type TestsOutcome = 'passed' | 'failed' | 'timed out';

/** A copy of the repository in which files may be broken. Owned by its creator, who disposes it. */
export class Sandbox implements AsyncDisposable {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(repository: string): Promise<Sandbox> {
    const sandbox = new Sandbox(await mkdtemp(join(tmpdir(), 'ambit-mutation-')));
    const skip = /(?:^|\/)(?:node_modules|dist)$/;
    for (const path of COPIED) {
      await cp(join(repository, path), join(sandbox.root, path), {
        recursive: true,
        filter: (from) => !skip.test(from),
      });
    }
    // Packages are shared, but our own workspaces are those of the copy: a link to the whole folder would test the original.
    const modules = join(sandbox.root, 'node_modules');
    await mkdir(join(modules, '@ambit'), { recursive: true });
    for (const name of await readdir(join(repository, 'node_modules'))) {
      if (name !== '@ambit') await symlink(join(repository, 'node_modules', name), join(modules, name));
    }
    for (const name of ['mesh', 'node-agent', 'controller'])
      await symlink(join(sandbox.root, name), join(modules, '@ambit', name));
    return sandbox;
  }

  read(file: string): Promise<string> {
    return readFile(join(this.root, file), 'utf8');
  }

  write(file: string, text: string): Promise<void> {
    return writeFile(join(this.root, file), text);
  }

  /** Runs test files one after another and stops at the first failure. */
  async runTests(files: readonly string[]): Promise<TestsOutcome> {
    for (const file of files) {
      const outcome = await this.#runFile(file);
      if (outcome !== 'passed') return outcome;
    }
    return 'passed';
  }

  async #runFile(file: string): Promise<TestsOutcome> {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, ['--conditions=source', '--test-reporter=tap', file], {
      cwd: this.root,
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let timedOut = false;
    let failed = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, TEST_TIMEOUT_MS);
    let tail = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      tail = (tail + chunk).slice(-4096);
      if (!/^\s*not ok /m.test(tail)) return;
      // One failure is enough to know; the rest of the file need not run.
      failed = true;
      child.kill('SIGKILL');
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject).on('close', resolve);
    });
    clearTimeout(timer);
    if (timedOut) return 'timed out';
    return failed || code !== 0 ? 'failed' : 'passed';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
