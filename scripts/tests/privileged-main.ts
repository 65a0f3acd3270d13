/**
 * Runs the privileged group where it was started: inside the sandbox that privileges.ts made. Arguments: the file that
 * takes the result as JSON, then the test files.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { preparePrivateRun } from '../../test/e2e/world/sandbox.ts';
import { runGroup } from './run-group.ts';

const [resultFile, ...files] = process.argv.slice(2);
if (resultFile === undefined) throw new Error('usage: privileged-main.ts RESULT-FILE TEST-FILE...');
preparePrivateRun();
const root = fileURLToPath(new URL('../..', import.meta.url));
const result = await runGroup(root, { name: 'privileged', files, concurrency: 1 });
writeFileSync(resultFile, JSON.stringify({ ...result, coverage: [] }));
