/** Checks config.json, key by key. */
import { closest } from 'fastest-levenshtein';
import * as z from 'zod/mini';
import { MEASURED_PROPERTIES, PROPERTY_NAMES, type PropertyName } from '../domain/reading.ts';
import type { Target } from '../domain/target.ts';
import type { Problem } from './config.ts';
import { isTimeZone } from './timezone.ts';

/** Without the flag i: `projectId` puts it into the JSON schema, which cannot express flags. */
const UUID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;
const SERIAL = /^([0-9a-f]{8}|[0-9a-f]{24})$/i;

/** Not trimmed: HyCloud's names may begin or end with blanks. */
const projectName = z.string('must be a text').check(
  z.refine((text) => text.trim() !== '', 'is empty'),
  z.refine((text) => !text.includes('\0'), 'holds a NUL'),
);
const projectId = z.string('must be a uuid in quotes').check(z.regex(UUID, 'is not a uuid'));
const valve = z
  .string('must be a uuid or serial number in quotes')
  .check(
    z.refine(
      (text) => UUID.test(text) || SERIAL.test(text),
      'is neither a uuid nor a serial number (24 or 8 hex digits)',
    ),
  );
const valves = z.array(valve, 'must be a list').check(z.minLength(1, 'is empty'));

/** The name becomes part of a variable, API_KEY_<ACCOUNT>. So "file" is refused: API_KEY_FILE names a file. */
const accountName = z.string('must be a text').check(
  z.refine(isNameOfAccount, 'must have a letter or digit, and no blank at its ends and no control character'),
  z.refine(
    (text) => !/(^|[^a-z0-9])file$/i.test(text),
    'must not end in "file": API_KEY_…_FILE names a file that holds a key',
  ),
);

function isNameOfAccount(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text) && text.trim() === text && !/\p{Cc}/u.test(text);
}

const atMost = (max: number) => z.maximum(max, `must be at most ${String(max)}`);
const positive = (max: number, unit: string) =>
  z.number(`must be a number of ${unit}`).check(z.positive('must be more than 0'), atMost(max));
const notNegative = (max: number, unit: string) =>
  z.number(`must be a number of ${unit}`).check(z.minimum(0, 'must not be negative'), atMost(max));
const count = (min: number, max: number) =>
  z.int('must be a whole number').check(z.minimum(min, `must be at least ${String(min)}`), atMost(max));

const property = z.enum(PROPERTY_NAMES as [PropertyName, ...PropertyName[]], {
  error: (issue) => `is not a property of HyCloud${didYouMean(String(issue.input), PROPERTY_NAMES)}`,
});
const allProperties = z.pipe(
  z.literal('all'),
  z.transform(() => PROPERTY_NAMES),
);

const target = z.strictObject(
  {
    account: z.optional(accountName),
    project_name: z.optional(projectName),
    project_id: z.optional(projectId),
    valves: z.optional(valves),
  },
  'must be an object',
);

/** The keys of config.json, with their defaults. src/config/README.md explains each. */
const schema = z.strictObject({
  $schema: z.optional(z.string('must be the place of the JSON schema')),
  target_project_name: z.nullish(projectName),
  target_project_id: z.nullish(projectId),
  target_valves: z.nullish(valves),
  targets: z.nullish(z.array(target, 'must be a list')),
  interval_minutes: z._default(
    z.int('must be a whole number').check(z.refine((minutes) => minutes > 0 && 60 % minutes === 0, 'must divide 60')),
    15,
  ),
  properties: z._default(
    z.union([allProperties, z.array(property)], { error: 'must be "all" or a list of properties' }),
    MEASURED_PROPERTIES,
  ),
  initial_history_hours: z._default(notNegative(87_600, 'hours'), 0),
  catch_up_days: z._default(positive(3660, 'days'), 30),
  max_concurrency: z._default(count(1, 256), 8),
  requests_per_second: z._default(positive(1_000_000, 'requests'), 20),
  request_timeout_seconds: z._default(positive(3600, 'seconds'), 20),
  run_deadline_seconds: z._default(positive(86_400, 'seconds'), 600),
  start_jitter_seconds: z._default(notNegative(3600, 'seconds'), 0),
  timezone: z._default(
    z
      .string('must be a text')
      .check(z.refine(isTimeZone, 'is not an IANA time zone such as Europe/Rome (an abbreviation will not do)')),
    'Europe/Rome',
  ),
  max_power_kw: z._default(positive(1_000_000, 'kW'), 1500),
  metrics_file: z._default(z.nullable(z.string('must be a file name').check(z.minLength(1, 'is empty'))), null),
});

export type FileConfig = z.output<typeof schema>;

/** The JSON schema of config.json, for editors. */
export function configSchema(): object {
  return z.toJSONSchema(schema, { io: 'input' });
}

/** Checks the content of config.json. Adds each wrong key to `problems`, and gives it its default; but keeps valid targets. */
export function parseFile(json: unknown, problems: Problem[]): FileConfig {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const { issues } = result.error;
  for (const issue of issues) problems.push(...explain(issue, json));
  const wrongKeys = new Set(issues.map(({ path }) => path[0]));
  const valid = Object.entries(json ?? {}).filter(([key]) => Object.hasOwn(schema.shape, key) && !wrongKeys.has(key));
  if (wrongKeys.has('targets')) valid.push(['targets', validTargets(json)]);
  return schema.parse(Object.fromEntries(valid));
}

/** The targets without a problem. They are kept, so that the credentials of their accounts are checked too. */
function validTargets(json: unknown): unknown[] {
  const { targets } = json as { targets: unknown };
  return Array.isArray(targets) ? targets.filter((entry) => target.safeParse(entry).success) : [];
}

/** A target, and the account that reads it ('': the unnamed one). */
export interface AccountTarget extends Target {
  readonly account: string;
}

/** All targets: of `targets`, and of target_project_name, target_project_id and target_valves. */
export function targetsOf(file: FileConfig): AccountTarget[] {
  const single = {
    account: undefined,
    project_name: file.target_project_name,
    project_id: file.target_project_id,
    valves: file.target_valves,
  };
  return [single, ...(file.targets ?? [])]
    .map((entry) => ({
      account: entry.account?.normalize('NFC') ?? '',
      projectName: entry.project_name ?? null,
      projectId: entry.project_id?.toLowerCase() ?? null,
      valves: entry.valves ?? [],
    }))
    .filter((entry) => entry.projectName !== null || entry.projectId !== null || entry.valves.length > 0);
}

const ENVIRONMENT_KEY = /^(API_KEY|REQUESTER_ID|HYCLOUD_BASE_URL|DATABASE_URL|DB_|HEALTHCHECK_URL)/i;

/** The problems of one issue of zod. An unknown key has the path of its object, so the key itself is added. */
function explain(issue: z.core.$ZodIssue, json: unknown): Problem[] {
  const key = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys((issue.path.length > 0 ? target : schema).shape).filter((name) => name !== '$schema');
    return issue.keys.map((unknown) => ({
      key: [key, unknown].filter(Boolean).join('.'),
      message: `is not a key of config.json${ENVIRONMENT_KEY.test(unknown) ? ': it belongs in .env' : didYouMean(unknown, known)}`,
      section: null,
    }));
  }
  if (issue.code === 'invalid_union') {
    // A union ("all" or a list) has the issues of both branches. Those of the list say which entry is wrong.
    const inner = issue.errors.flat().filter((error) => error.path.length > 0);
    const withWholePath = (error: z.core.$ZodIssue) => ({ ...error, path: [...issue.path, ...error.path] });
    if (inner.length > 0) return inner.flatMap((error) => explain(withWholePath(error), json));
  }
  const message = key ? `${issue.message}${quoteIfShort(valueAt(json, issue.path))}` : 'must hold one JSON object';
  return [{ key: key || 'config.json', message, section: null }];
}

function valueAt(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)[key], json);
}

const MAX_QUOTED = 40;

/** Quotes a wrong value; '' if it is long, not there, or has parts. */
function quoteIfShort(value: unknown): string {
  if (typeof value === 'object' || value === undefined) return '';
  const text = JSON.stringify(value);
  return text.length > MAX_QUOTED ? '' : ` (it is ${text})`;
}

/** Suggests the most similar known name. Names that contain the unknown name, or are part of it, come before all others. */
function didYouMean(unknown: string, known: readonly string[]): string {
  const lower = unknown.toLowerCase();
  const related = known.filter((name) => lower !== '' && (name.includes(lower) || lower.includes(name)));
  return `: did you mean ${closest(unknown, [...(related.length > 0 ? related : known)])}?`;
}
