#!/usr/bin/env -S node --
import type { main } from '../src/cli.ts';
import { createLoader } from './load.ts';

const cli = createLoader(import.meta.dirname)('cli').exports as { main: typeof main };
void cli.main();
