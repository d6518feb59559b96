/** Parses the query of a request for points. */
import { PROPERTY_NAMES, type PropertyName } from '../../src/domain/reading.ts';
import { parseRfc3339, US_PER_HOUR, type Micros } from '../../src/domain/time.ts';
import type { Direction } from './history.ts';

export interface PointsQuery {
  fromUs: Micros;
  toUs: Micros;
  limit: number;
  offset: number;
  direction: Direction;
  properties: PropertyName[];
}

/** A query that HyCloud refuses with `api/v1/invalid-query`. */
export class InvalidQuery extends Error {}

const DEFAULT_LIMIT = 240;
const MAX_LIMIT = 2000;

function instantOf(params: URLSearchParams, name: string, fallbackUs: Micros): Micros {
  const text = params.get(name);
  if (text === null) return fallbackUs;
  const timeUs = parseRfc3339(text);
  if (timeUs === null) throw new InvalidQuery(`${name} is not an RFC 3339 date-time: ${text}`);
  return timeUs;
}

function wholeNumberOf(params: URLSearchParams, name: string, fallback: number, min: number, max: number): number {
  const text = params.get(name) ?? String(fallback);
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || number < min || number > max) {
    throw new InvalidQuery(`${name} is not a whole number from ${min} to ${max}: ${text}`);
  }
  return number;
}

function directionOf(params: URLSearchParams): Direction {
  const text = params.get('direction') ?? 'descending';
  if (text !== 'ascending' && text !== 'descending') throw new InvalidQuery(`unknown direction: ${text}`);
  return text;
}

function propertiesOf(params: URLSearchParams): PropertyName[] {
  if (params.has('properties')) throw new InvalidQuery('properties is an array: write properties[]');
  return params.getAll('properties[]').map((name) => {
    const property = PROPERTY_NAMES.find((known) => known === name);
    if (!property) throw new InvalidQuery(`unknown property: ${name}`);
    return property;
  });
}

/** The parameters of data/points, with the API note's defaults. */
export function parsePointsQuery(params: URLSearchParams, nowUs: Micros): PointsQuery {
  return {
    fromUs: instantOf(params, 'from', nowUs - US_PER_HOUR),
    toUs: instantOf(params, 'to', nowUs),
    limit: wholeNumberOf(params, 'limit', DEFAULT_LIMIT, 1, MAX_LIMIT),
    offset: wholeNumberOf(params, 'offset', 0, 0, Number.MAX_SAFE_INTEGER),
    direction: directionOf(params),
    properties: propertiesOf(params),
  };
}
