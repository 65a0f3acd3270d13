/**
 * The program that runs inside a test pod: real HTTP and raw TCP servers, and a client that does what the test asks.
 * Takes its options as one JSON argument, speaks app-protocol.ts on its standard streams, ends when standard input does.
 */
import { createInterface } from 'node:readline';
import { AppClient } from './app-client.ts';
import type { AppCommand, AppEvent, AppOptions } from './app-protocol.ts';
import { startBulkApp } from './bulk.ts';
import { startHttpApp, startLineApp } from './app-servers.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as AppOptions; // lint: our own test passes it
const report = (event: AppEvent): void => {
  process.stdout.write(`${JSON.stringify(event)}\n`);
};

if (options.httpPort !== undefined) await startHttpApp(options.name, options.httpPort, report);
if (options.linePort !== undefined) await startLineApp(options.name, options.linePort, report);
if (options.bulkPort !== undefined) await startBulkApp(options.bulkPort, report);

const client = new AppClient(report);
const input = createInterface({ input: process.stdin });
input.on('line', (line) => client.run(JSON.parse(line) as AppCommand)); // lint: our own test writes it
input.on('close', () => process.exit(0));
report({ event: 'listening', name: options.name });
