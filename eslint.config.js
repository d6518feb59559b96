import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const noProcess = {
  'no-restricted-globals': ['error', { name: 'process', message: 'Only start, cli and commands touch the process.' }],
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
    ignores: [
      'src/cli.ts',
      'src/main.ts',
      'src/commands/**',
      'src/database/embedded/as-owner.ts',
      'src/database/password.ts',
    ],
    rules: noProcess,
  },
  { files: ['scripts/**/*.ts'], rules: { 'no-console': 'off' } },
);
