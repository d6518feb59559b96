/** The house rules: who may import whom. */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'axios-only-in-hycloud',
      comment: 'hycloud is the only importer of axios',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/hycloud/' },
      to: { path: 'node_modules/axios' },
    },
    {
      name: 'pg-only-in-database',
      comment: 'database is the only importer of pg',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/database/' },
      to: { path: 'node_modules/(pg|pg-[^/]+|@types/pg)/' },
    },
    {
      name: 'hycloud-needs-the-domain-alone',
      severity: 'error',
      from: { path: '^src/hycloud/' },
      to: { path: '^src/', pathNot: '^src/(hycloud|domain)/' },
    },
    {
      name: 'database-needs-the-domain-alone',
      severity: 'error',
      from: { path: '^src/database/' },
      to: { path: '^src/', pathNot: '^src/(database|domain)/' },
    },
    {
      name: 'domain-stands-alone',
      severity: 'error',
      from: { path: '^src/domain/' },
      to: { path: '^src/', pathNot: '^src/domain/' },
    },
    {
      name: 'polling-does-not-look-up',
      comment: 'data walks one way: cli → commands → polling → hycloud | database',
      severity: 'error',
      from: { path: '^src/(polling|reporting|config)/' },
      to: { path: '^src/(commands/|cli|main|program)' },
    },
    {
      name: 'energy-needs-the-database-alone',
      severity: 'error',
      from: { path: '^src/energy/' },
      to: { path: '^src/', pathNot: '^src/(energy|database|domain)/' },
    },
    {
      name: 'polling-does-not-print',
      comment: 'what a run does comes back as plain values; reporting makes texts of them',
      severity: 'error',
      from: { path: '^src/polling/' },
      to: { path: '^src/reporting/' },
    },
    {
      name: 'src-not-scripts',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(scripts|test)/' },
    },
    {
      name: 'report-page-stands-alone',
      comment: 'the browser gets what the page imports: nothing of the program but types',
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
