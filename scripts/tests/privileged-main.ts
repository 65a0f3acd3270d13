/**
 * Runs the privileged group where it was started: inside the sandbox that privileges.ts made. Arguments: the file that
 * takes the result as JSON, whether each test is printed (`each` or `files`), then the test files.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { preparePrivateRun } from '../../test/e2e/world/sandbox.ts';
import { runGroup } from './run-group.ts';

const [resultFile, print, ...files] = process.argv.slice(2);
if (resultFile === undefined) throw new Error('usage: privileged-main.ts RESULT-FILE each|files TEST-FILE...');
preparePrivateRun();
const root = fileURLToPath(new URL('../..', import.meta.url));
const result = await runGroup(root, { name: 'privileged', files, concurrency: 1, eachTest: print === 'each' });
writeFileSync(resultFile, JSON.stringify({ ...result, coverage: [] }));
