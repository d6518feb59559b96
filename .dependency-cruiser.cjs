/** Which files may import which. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'axios-only-in-hycloud',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/hycloud/' },
      to: { path: 'node_modules/axios' },
    },
    {
      name: 'pg-only-in-database',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/database/' },
      to: { path: 'node_modules/(pg|pg-[^/]+|@types/pg)/' },
    },
    {
      name: 'hycloud-imports-only-the-domain',
      severity: 'error',
      from: { path: '^src/hycloud/' },
      to: { path: '^src/', pathNot: '^src/(hycloud|domain)/' },
    },
    {
      name: 'database-imports-only-the-domain',
      severity: 'error',
      from: { path: '^src/database/' },
      to: { path: '^src/', pathNot: '^src/(database|domain)/' },
    },
    {
      name: 'domain-imports-nothing-of-src',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { path: '^src/', pathNot: '^src/domain/' },
    },
    {
      name: 'only-the-cli-imports-commands',
      comment: 'imports go one way: cli → commands → polling, reporting, config',
      severity: 'error',
      from: { path: '^src/(polling|reporting|config)/' },
      to: { path: '^src/(commands/|cli|main|program)' },
    },
    {
      name: 'energy-imports-only-database-and-domain',
      severity: 'error',
      from: { path: '^src/energy/' },
      to: { path: '^src/', pathNot: '^src/(energy|database|domain)/' },
    },
    {
      name: 'polling-does-not-import-reporting',
      comment: 'a run returns plain values; reporting makes texts of them',
      severity: 'error',
      from: { path: '^src/polling/' },
      to: { path: '^src/reporting/' },
    },
    {
      name: 'src-imports-no-scripts-or-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(scripts|test)/' },
    },
    {
      name: 'report-page-imports-only-types',
      comment: 'the browser gets all that the page imports',
      severity: 'error',
      from: { path: '^src/reporting/report/page/' },
      to: { path: '^(src/(?!reporting/report/page/)|node:)', dependencyTypesNot: ['type-only'] },
    },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src' }, to: {} },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'types'],
    },
  },
};
