/** Shared by the steps of `tasmart init`: takes an answer that was given or asks for it, and tests it. */
import type { Logger } from 'pino';
import type { Environment } from '../../config/environment.ts';
import { KnownError, type ErrorKind } from '../../domain/errors.ts';
import { escapeHostile } from '../../domain/text.ts';
import type { Prompt } from './prompt.ts';

export interface Session {
  /** given answers: from options, else the environment, else the env file */
  env: Environment;
  /** null: not interactive */
  prompt: Prompt | null;
  say: (text: string) => void;
  log: Logger;
  signal: AbortSignal;
  giveUp: AbortSignal;
}

interface Answer<T> {
  /** undefined: ask for it */
  given: T | undefined;
  /** undefined: there is no prompt */
  ask: () => Promise<T> | undefined;
  /** Returns a message about the answer. Throws a KnownError if the answer is wrong. */
  test: (answer: T) => Promise<string>;
}

/** Errors that another answer would not solve: HyCloud is unreachable, or the input has ended. */
const FINAL_KINDS: ReadonlySet<ErrorKind> = new Set(['hycloud', 'usage']);

/** Returns an answer that passed its test. Asks again after a wrong one. A given answer that is wrong ends the set-up. */
export async function askUntilAccepted<T>({ say }: Session, { given, ask, test }: Answer<T>): Promise<T> {
  for (;;) {
    try {
      const answer = given ?? (await ask());
      if (answer === undefined) throw new Error('this answer cannot be asked for: there is no prompt');
      say(`✓ ${await test(answer)}`);
      return answer;
    } catch (error) {
      if (given !== undefined || !(error instanceof KnownError) || FINAL_KINDS.has(error.kind)) throw error;
      say(`✗ ${escapeHostile(error.message)}${error.remedy === null ? '' : `\n  → ${escapeHostile(error.remedy)}`}`);
    }
  }
}
