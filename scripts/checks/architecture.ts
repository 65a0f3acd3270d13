import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type ICruiseResult, type IForbiddenRuleType, type IViolation } from 'dependency-cruiser';
import { APPS, ARCHITECTURE_RULES, type ArchitectureRule, MODULE_COUNT_MIN } from './architecture-rules.ts';
import { type Check, type Outcome, outcomeOf } from './check.ts';
import { teachVisitorUsing } from './swc-using-declarations.ts';

teachVisitorUsing();

const FOLDERS = ['mesh', ...APPS, 'test', 'bench', 'scripts'];

function toForbiddenRule(rule: ArchitectureRule): IForbiddenRuleType {
  const { circular, unresolvable, nodeModule, ...to } = rule.to;
  const typesNot = rule.typesAllowed === true ? { dependencyTypesNot: ['type-only' as const] } : {};
  return {
    name: rule.name,
    comment: rule.reason,
    severity: 'error',
    from: rule.from,
    to: {
      ...to,
      ...(circular === true ? { circular, viaOnly: typesNot } : typesNot),
      ...(unresolvable === true ? { couldNotResolve: true } : {}),
      ...(nodeModule === true ? { dependencyTypes: ['core' as const] } : {}),
    },
  };
}

function describe(violation: IViolation): string {
  const reason = ARCHITECTURE_RULES.find((rule) => rule.name === violation.rule.name)?.reason ?? '';
  const path = violation.cycle?.map((step) => step.name).join(' -> ') ?? violation.to;
  return `${violation.from} -> ${path}\n    ${violation.rule.name}: ${reason}`;
}

/** Directions of imports, by dependency-cruiser with the swc parser: its other parsers see no .ts under TypeScript 7. */
export async function checkArchitecture(root: string, moduleCountMin: number): Promise<Outcome> {
  const folders = FOLDERS.filter((folder) => existsSync(join(root, folder)));
  const result = await cruise(
    folders,
    {
      baseDir: root,
      parser: 'swc',
      validate: true,
      ruleSet: { forbidden: ARCHITECTURE_RULES.map(toForbiddenRule) },
      doNotFollow: { path: 'node_modules' },
      // Built files of ours only: packages live in dist folders too, and leaving those out would hide who imports them.
      exclude: { path: ['^dist/', '^[^/]+/dist/'] },
      outputType: 'json',
    },
    {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default'],
      extensions: ['.ts', '.mts', '.mjs', '.js', '.cjs', '.json', '.d.ts'],
    },
  );
  if (typeof result.output !== 'string') throw new Error('dependency-cruiser did not answer with JSON');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the json reporter's own type
  const { modules, summary } = JSON.parse(result.output) as ICruiseResult;
  const ours = modules.filter((module) => module.source.endsWith('.ts') && !module.source.includes('node_modules'));
  if (ours.length < moduleCountMin) {
    return {
      ok: false,
      report: `only ${ours.length} modules seen, at least ${moduleCountMin} expected: the checker is blind`,
    };
  }
  return outcomeOf(summary.violations.map(describe), `${ours.length} modules, ${ARCHITECTURE_RULES.length} rules`);
}

/** D1 to D9 over the whole repository. */
export const architecture: Check = {
  name: 'architecture',
  run: (root) => checkArchitecture(root, MODULE_COUNT_MIN),
};
