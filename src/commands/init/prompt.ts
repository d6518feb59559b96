/** Asks questions on a terminal. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { KnownError } from '../../domain/errors.ts';

export interface Prompt {
  /** Returns the trimmed answer, or the fallback if it is empty. */
  ask: (question: string, fallback?: string) => Promise<string>;
  /** Like `ask`, but does not show what is typed. */
  askSecret: (question: string) => Promise<string>;
  confirm: (question: string, fallback: boolean) => Promise<boolean>;
  close: () => void;
}

/** Ctrl-C sends SIGINT to this process. The end of the input is an error. */
export function createPrompt(input: NodeJS.ReadStream, output: NodeJS.WriteStream, signal: AbortSignal): Prompt {
  let isHidden = false;
  const echo = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!isHidden) output.write(chunk);
      done();
    },
  });
  const lines = createInterface({ input, output: echo, terminal: true, historySize: 0 });
  const ended = new AbortController();
  lines.on('SIGINT', () => process.emit('SIGINT', 'SIGINT')).once('close', () => ended.abort());
  const ask = async (question: string, fallback = ''): Promise<string> => {
    try {
      const answer = await lines.question(question, { signal: AbortSignal.any([signal, ended.signal]) });
      return answer.trim() || fallback;
    } catch (error) {
      if (signal.aborted || !ended.signal.aborted) throw error;
      throw new KnownError('usage', 'the input ended before everything was answered', {
        remedy: 'nothing was written; run "tasmart init" again',
      });
    }
  };
  return {
    ask,
    async askSecret(question) {
      output.write(question);
      isHidden = true;
      try {
        return await ask('');
      } finally {
        isHidden = false;
        output.write('\n');
      }
    },
    async confirm(question, fallback) {
      const answer = await ask(`${question} [${fallback ? 'Y/n' : 'y/N'}] `);
      return answer === '' ? fallback : /^y/i.test(answer);
    },
    close: () => lines.close(),
  };
}
