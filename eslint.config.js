import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** The entries of the programs, the commands, and password.ts, which runs the user's command. */
const MAY_USE_PROCESS = [
  'src/cli.ts',
  'src/main.ts',
  'src/commands/**',
  'src/database/embedded/as-owner.ts',
  'src/database/password.ts',
];
const NO_PROCESS = {
  'no-restricted-globals': ['error', { name: 'process', message: 'Take it as an argument (eslint.config.js).' }],
  'no-restricted-imports': ['error', { paths: ['process', 'node:process'] }],
};

export default defineConfig(
  { ignores: ['dist', 'dist-*', 'coverage', 'data', '.dependency-cruiser.cjs'] },
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', 'scripts/build.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: MAY_USE_PROCESS,
    rules: NO_PROCESS,
  },
  { files: ['scripts/**/*.ts'], rules: { 'no-console': 'off' } },
);
