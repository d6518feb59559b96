/**
 * Three letters that mean the same to Node and PostgreSQL. PostgreSQL takes others for abbreviations, which know no summer
 * time (CET), or another place (IST); https://www.postgresql.org/docs/18/datatype-datetime.html#DATATYPE-TIMEZONES
 */
const PLAIN_LETTERS = ['UTC', 'GMT', 'UCT', 'EST', 'MST', 'HST', 'PRC', 'ROC', 'ROK'];

/** Whether a text names a time zone of the IANA database; by Node's own copy, so that a poll need not load Luxon. */
export function isTimeZone(name: string): boolean {
  // Later Node takes offsets too, of which PostgreSQL turns the sign round.
  if (!/^[a-z]/i.test(name)) return false;
  if (/^[a-z]{3}$/i.test(name) && !PLAIN_LETTERS.includes(name.toUpperCase())) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
