/** The answers of HyCloud that are faults, and what the program says about each. */
import type { Fault } from '../../../scripts/simulator/faults.ts';

export interface KnownFault {
  name: string;
  fault: Fault;
  /** what the message says about the fault */
  says: RegExp;
  /** what the message says to do about the fault */
  remedy: RegExp;
  /** exit status if the lookup of the project has the fault */
  exit: 69 | 77 | 78;
  /** the program tries again */
  isTransient: boolean;
  /** request_timeout_seconds, for a fault that shows only when the timeout passes */
  timeoutSeconds?: number;
}

const SERVER = { remedy: /the next run will catch up/, exit: 69, isTransient: true } as const;
const SLOW = { remedy: /request_timeout_seconds/, exit: 69, isTransient: true } as const;
const UNANSWERED = { ...SLOW, says: /no whole answer within [\d.]+ s/, timeoutSeconds: 1.5 } as const;
const NETWORK = { remedy: /check the network/, exit: 69, isTransient: true } as const;
const SHAPE = {
  says: /does not match the API/,
  remedy: /a proxy or HyCloud misbehaves; the next run will catch up/,
  exit: 69,
  isTransient: false,
} as const;
const BROKEN = { remedy: /a proxy or HyCloud misbehaves/, exit: 69, isTransient: true } as const;
/** On a very slow machine, the timeout may come before the limit of the size. */
const LARGE = {
  says: /larger than|no whole answer/,
  remedy: /far larger than the API allows|request_timeout_seconds/,
  exit: 69,
  isTransient: false,
} as const;

/** Faults that any endpoint may have. 401, 429 and TLS have tests of their own. */
export const ANSWERS: readonly KnownFault[] = [
  {
    name: '400',
    fault: { kind: 'status', status: 400 },
    says: /HTTP 400 \(api\/v1\/invalid-query\)/,
    remedy: /API may have changed/,
    exit: 69,
    isTransient: false,
  },
  {
    name: '403',
    fault: { kind: 'status', status: 403 },
    says: /HTTP 403/,
    remedy: /invited to the project|tasmart projects/,
    exit: 78,
    isTransient: false,
  },
  {
    name: '404',
    fault: { kind: 'status', status: 404 },
    says: /HTTP 404/,
    remedy: /check the configured project or valve|tasmart projects/,
    exit: 78,
    isTransient: false,
  },
  { name: '408', fault: { kind: 'status', status: 408 }, says: /HTTP 408/, ...SLOW },
  { name: '425', fault: { kind: 'status', status: 425 }, says: /HTTP 425/, ...SLOW },
  {
    name: '500',
    fault: { kind: 'status', status: 500 },
    says: /HTTP 500 \(api\/v1\/server-error\)/,
    ...SERVER,
  },
  { name: '502, HTML', fault: { kind: 'status', status: 502, body: 'html' }, says: /HTTP 502(?! \(api)/, ...SERVER },
  { name: '503, empty', fault: { kind: 'status', status: 503, body: 'empty' }, says: /HTTP 503(?! \(api)/, ...SERVER },
  { name: '504', fault: { kind: 'status', status: 504 }, says: /HTTP 504/, ...SERVER },
  { name: 'reset before an answer', fault: { kind: 'reset', when: 'before' }, says: /ECONNRESET/, ...NETWORK },
  {
    name: 'reset in the body',
    fault: { kind: 'reset', when: 'midBody' },
    says: /the answer was cut off|no answer \(ECONNRESET\)/,
    ...NETWORK,
  },
  { name: 'no headers, ever', fault: { kind: 'silence' }, ...UNANSWERED },
  { name: 'a dripping body', fault: { kind: 'drip', everyMs: 20 }, ...UNANSWERED },
  { name: 'an endless body', fault: { kind: 'endless' }, ...LARGE },
  { name: 'a gzip bomb', fault: { kind: 'gzipBomb' }, ...LARGE },
  {
    name: 'a redirect',
    fault: { kind: 'redirect', location: 'https://elsewhere.invalid/' },
    says: /HTTP 302/,
    remedy: /redirects are never followed/,
    exit: 69,
    isTransient: false,
  },
  { name: 'truncated JSON', fault: { kind: 'truncate' }, ...BROKEN, says: /JSON that was cut off/ },
  {
    name: '200, HTML',
    fault: { kind: 'body', text: '<html>Welcome</html>', contentType: 'text/html' },
    ...BROKEN,
    says: /is HTML, not JSON/,
  },
  { name: '200, empty', fault: { kind: 'body', text: '' }, ...BROKEN, says: /answer is empty/ },
  { name: 'a list in place of an object', fault: { kind: 'body', text: '[]' }, ...SHAPE },
  { name: 'null', fault: { kind: 'body', text: 'null' }, ...SHAPE },
  { name: 'a text', fault: { kind: 'body', text: '"points"' }, ...SHAPE },
  { name: 'an object without its fields', fault: { kind: 'body', text: '{}' }, ...SHAPE },
  { name: 'deep nesting', fault: { kind: 'body', text: '['.repeat(1e5) }, ...BROKEN, says: /JSON that was cut off/ },
  { name: 'an odd status', fault: { kind: 'status', status: 299 }, ...BROKEN, says: /HTTP 299/ },
];
