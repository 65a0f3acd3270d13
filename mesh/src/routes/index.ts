export * from './duration.ts';
export * from './regex.ts';
export * from './header-edits.ts';
export * from './route-request.ts';
export * from './route-table.ts';
export * from './rule.ts';
