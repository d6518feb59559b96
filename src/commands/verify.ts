import { KnownError } from '../domain/errors.ts';

/** `tasmart verify`: being rewritten. */
export function run(): Promise<number> {
  return Promise.reject(new KnownError('usage', 'verify is being rewritten'));
}
