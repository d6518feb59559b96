/** What the steps of the set-up share: where answers come from, and how one is tried until it is accepted. */
import type { Logger } from 'pino';
import type { Environment } from '../../config/environment.ts';
import { KnownError, type ErrorKind } from '../../domain/errors.ts';
import { spelledOut } from '../../domain/text.ts';
import type { Prompt } from './prompt.ts';

export interface Session {
  /** what is given: options over the process's environment over the env file */
  env: Environment;
  /** null: nobody is there to be asked */
  prompt: Prompt | null;
  say: (text: string) => void;
  log: Logger;
  signal: AbortSignal;
  giveUp: AbortSignal;
}

interface Answer<T> {
  /** undefined: it has to be asked for */
  given: T | undefined;
  ask: () => Promise<T> | undefined;
  /** Returns what was found. Throws a KnownError for an answer that will not do. */
  test: (answer: T) => Promise<string>;
}

/** No other answer would mend these: HyCloud is away, or the input has ended. */
const FINAL: ReadonlySet<ErrorKind> = new Set(['hycloud', 'usage']);

/** An answer that passed its test. A wrong one is asked for again; one that was given ends the set-up. */
export async function accepted<T>({ say }: Session, { given, ask, test }: Answer<T>): Promise<T> {
  for (;;) {
    try {
      const answer = given ?? (await ask());
      if (answer === undefined) throw new Error('nobody is there to be asked');
      say(`✓ ${await test(answer)}`);
      return answer;
    } catch (error) {
      if (given !== undefined || !(error instanceof KnownError) || FINAL.has(error.kind)) throw error;
      say(`✗ ${spelledOut(error.message)}${error.remedy === null ? '' : `\n  → ${spelledOut(error.remedy)}`}`);
    }
  }
}
