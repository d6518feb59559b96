/** The program's own requests, for workers that repeat them. */
import { MEASURED_PROPERTIES } from '../../src/domain/reading.ts';
import { formatRfc3339, type Micros } from '../../src/domain/time.ts';

/** The query string of the program's request for points: the same for every valve. */
export function pointsQuery(
  fromUs: Micros,
  toUs: Micros,
  limit: number,
  direction: 'ascending' | 'descending',
): string {
  const query = new URLSearchParams({
    from: formatRfc3339(fromUs),
    to: formatRfc3339(toUs),
    limit: `${limit}`,
    direction,
  });
  for (const name of MEASURED_PROPERTIES) query.append('properties[]', name);
  return query.toString();
}

/** The program's own headers. */
export function headersOf(env: Readonly<Record<string, string>>): Record<string, string> {
  return {
    Accept: 'application/json',
    Authorization: `ApiKey ${env['API_KEY'] ?? ''}`,
    'Requester-ID': env['REQUESTER_ID'] ?? '',
    'User-Agent': 'tasmart/bench',
  };
}
