import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { rootTestOptions, until } from '@ambit/mesh/testing';
import { AgentWorld, serveEcho } from './agent-world.ts';

const main = new URL('../src/main.ts', import.meta.url).pathname;
const shim = new URL('./clock/clock-offset.c', import.meta.url).pathname;
const HOUR_S = 3600;
const refusal = { code: 'ECONNRESET' };

function compilerOptions(): { readonly skip?: string } {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return {};
  } catch {
    return { skip: 'there is no C compiler to make an agent of whose clock can be set' };
  }
}

const options = { ...compilerOptions(), ...rootTestOptions(), timeout: 120_000 };

/** A node agent in a process of its own, of which only the wall clock can be set; all else has the right time. */
class ClockWorld implements AsyncDisposable {
  readonly world: AgentWorld;
  readonly #offset: string;
  #child: ChildProcess | null = null;
  output = '';

  private constructor(world: AgentWorld) {
    this.world = world;
    this.#offset = join(world.directory, 'offset');
  }

  static async create(ttlMs: number): Promise<ClockWorld> {
    const clock = new ClockWorld(await AgentWorld.create());
    const { world } = clock;
    world.controller.ttlMs = ttlMs;
    clock.jump(0);
    const library = join(world.directory, 'clock-offset.so');
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, shim, '-ldl']);
    const env = { ...world.variables(), LD_PRELOAD: library, CLOCK_OFFSET_FILE: clock.#offset };
    const child = spawn(process.execPath, ['--conditions=source', main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => void (clock.output += text));
    }
    clock.#child = child;
    const gone = once(child, 'exit').then(() => assert.fail(`the agent has ended: ${clock.output}`));
    gone.catch(() => {});
    await Promise.race([world.cni.accept(), gone]);
    await world.announce();
    await serveEcho(world.pod('server'));
    return clock;
  }

  /** From now on the agent's wall clock is so far off. */
  jump(seconds: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(seconds));
    // In place: the agent has the file mapped.
    writeFileSync(this.#offset, bytes, { flag: this.#child === null ? 'w' : 'r+' });
  }

  exchange(): Promise<string> {
    return this.world.pod('client').exchange('10.77.0.2:8080', 'x');
  }

  /** Certificates asked for so far. */
  get issued(): number {
    return this.world.controller.issued.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== null && this.#child.exitCode === null) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'close');
    }
    await this.world[Symbol.asyncDispose]();
  }
}

describe('a clock that jumps by an hour', () => {
  test('changes nothing while certificates are good by either time', options, async () => {
    await using clock = await ClockWorld.create(24 * HOUR_S * 1000);
    assert.equal(await clock.exchange(), 'x');
    clock.jump(HOUR_S);
    assert.equal(await clock.exchange(), 'x');
    clock.jump(0);
    assert.equal(await clock.exchange(), 'x');
    assert.equal(clock.issued, 2);
  });

  test(
    'forward past the end of certificates admits nobody, asks for others sparingly, and recovers',
    options,
    async () => {
      await using clock = await ClockWorld.create((HOUR_S / 2) * 1000);
      const held = clock.world.pod('client').dial('10.77.0.2:8080');
      held.write('held');
      await once(held, 'data');
      clock.jump(HOUR_S);
      await assert.rejects(clock.exchange(), refusal);
      await until('others were asked for', () => clock.issued >= 4, 30_000);
      // The authority has the right time: they are over as they come, by this clock.
      await assert.rejects(clock.exchange(), refusal);
      assert.ok(clock.issued <= 12, `${clock.issued} certificates`);
      clock.jump(0);
      assert.equal(await clock.exchange(), 'x');
      held.write('still');
      assert.equal(String((await once(held, 'data'))[0]), 'still');
    },
  );

  test('back past the beginning of certificates admits nobody new, and recovers', options, async () => {
    await using clock = await ClockWorld.create(24 * HOUR_S * 1000);
    clock.jump(-HOUR_S);
    await assert.rejects(clock.exchange(), refusal);
    clock.jump(0);
    assert.equal(await clock.exchange(), 'x');
    // What stands was verified when the time was right.
    clock.jump(-HOUR_S);
    assert.equal(await clock.exchange(), 'x');
  });
});
