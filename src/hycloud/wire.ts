/** Checks HyCloud's answers: loose schemas of the fields in use. Unknown fields are accepted: within v1 the vendor only adds. */
import * as z from 'zod/mini';
import { pointsPathOf, type Project, type ProjectSummary, type Valve } from '../domain/valve.ts';
import { makeStorable } from './points.ts';

const text = z.pipe(z.string(), z.transform(makeStorable));
/** The API documents uuids. Any text that is safe in a path and in a log line is accepted. */
const ID = /^(?!\.+$)[\x21-\x7e]{1,255}$/;
const id = z.string().check(z.regex(ID));
/** A number that only serves for hints and warnings: 0 if it is absent or malformed. */
const count = z.catch(z.int(), 0);

const projectSummary = z.object({ id, name: text, user_count: count, tasmart_count: count });

/**
 * A list of at most `max` items, which is more than a real answer holds. A hostile body of millions of tiny items is
 * refused before each item becomes an object or an error.
 */
const listUpTo = (max: number) => z.custom<readonly unknown[]>((value) => Array.isArray(value) && value.length <= max);
/** The API's maximum is 2000. */
const MAX_POINTS = 10_000;
/** A listed valve takes at least 0.3 kB: this many fill the largest answer that client.ts accepts for a list. */
const MAX_LISTED = 20_000;

const project = z.object({ id, name: text, tasmarts: listUpTo(MAX_LISTED) });

/** The newest firmware: `metadata.fw`, against a valve's `fw_version`. */
export const firmwareAnswer = z.object({ metadata: z.object({ fw: text }) });

export const pointsAnswer = z.object({
  points: listUpTo(MAX_POINTS),
  sort: z.catch(z.nullish(z.string()), null),
  limit: z.catch(z.nullish(z.int().check(z.positive())), null),
  properties: z.catch(z.nullish(z.array(z.string())), null),
});

/** A malformed project is skipped, and counted. */
export function decodeProjects(raw: unknown): { projects: ProjectSummary[]; skipped: number } {
  const listed = listUpTo(MAX_LISTED).parse(raw);
  const projects = listed.flatMap((item) => {
    const { success, data } = projectSummary.safeParse(item);
    return success
      ? [{ id: data.id, name: data.name, valveCount: data.tasmart_count, userCount: data.user_count }]
      : [];
  });
  return { projects, skipped: listed.length - projects.length };
}

const MAX_EXPLAINED = 20;
const MAX_QUOTED_LENGTH = 200;

/** A malformed valve is skipped, and reported in `unreadable`. The users' e-mail addresses are never read. */
export function decodeProject(raw: unknown, basePath: string): Project {
  const { id: projectId, name, tasmarts } = project.parse(raw);
  // Each valve once: lookup.ts compares their number with `tasmart_count`, so a duplicate would hide a missing valve.
  const valves = new Map<string, Valve>();
  const unreadable: number[] = [];
  for (const [index, item] of tasmarts.entries()) {
    const valve = decodeValve(item, basePath);
    if (!valve) unreadable.push(index + 1);
    else if (!valves.has(valve.id)) valves.set(valve.id, valve);
  }
  return { id: projectId, name, valves: [...valves.values()], unreadable: explainUnreadable(unreadable, name) };
}

/** @param numbers the places of the unreadable valves in the list, from 1 */
function explainUnreadable(numbers: readonly number[], name: string): string[] {
  const project = `project "${name.slice(0, MAX_QUOTED_LENGTH)}"`;
  const first = numbers.slice(0, MAX_EXPLAINED).map((number) => `valve no. ${number} of ${project} has no usable id`);
  const others = numbers.length - first.length;
  return others > 0 ? [...first, `nor have ${others} other valves of ${project}`] : first;
}

/** Decodes without zod, which is slow for thousands of valves. null: the valve has no usable id. */
function decodeValve(raw: unknown, basePath: string): Valve | null {
  const wire = asObject(raw);
  const { id: valveId } = wire;
  if (typeof valveId !== 'string' || !ID.test(valveId)) return null;
  const path = pathBelow(basePath, asObject(wire['href'])['datapoints']);
  return {
    id: valveId,
    kind: optionalText(wire['kind']),
    fullSn: optionalText(wire['full_sn']),
    shortSn: optionalText(wire['short_sn']),
    cloudIdentifier: optionalText(wire['cloud_identifier']),
    userId: optionalText(wire['user_id']),
    firmware: optionalText(wire['fw_version']),
    pointsPath: path === pointsPathOf({ id: valveId, pointsPath: null }) ? null : path,
  };
}

/** Without fields if the value is not an object. */
function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** null: the field is absent, null, blank or of another type. The valve is kept. */
function optionalText(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? makeStorable(value) : null;
}

/**
 * The path of a valve's `href`, relative to our own base URL; null unless it is a plain path below it, so that
 * the credentials never go anywhere else.
 */
function pathBelow(basePath: string, href: unknown): string | null {
  if (typeof href !== 'string' || !href.startsWith(basePath)) return null;
  const path = href.slice(basePath.length);
  return /^[\w.~-]+(\/[\w.~-]+)*$/.test(path) && !/(^|\/)\.+(\/|$)/.test(path) ? path : null;
}
