/** Checks the names of time zones. */

/**
 * Zones of three letters that mean the same to Node and PostgreSQL. PostgreSQL reads other three letters as abbreviations:
 * without daylight saving (CET), or of another place (IST).
 *
 * @see https://www.postgresql.org/docs/18/datatype-datetime.html#DATATYPE-TIMEZONES
 */
const SAFE_ABBREVIATIONS = ['UTC', 'GMT', 'UCT', 'EST', 'MST', 'HST', 'PRC', 'ROC', 'ROK'];

/** Whether a text is an IANA time zone that Node and PostgreSQL read alike. Uses Intl, so that a poll need not load Luxon. */
export function isTimeZone(name: string): boolean {
  // Newer versions of Node accept offsets such as +01:00. PostgreSQL reads their sign the other way.
  if (!/^[a-z]/i.test(name)) return false;
  if (/^[a-z]{3}$/i.test(name) && !SAFE_ABBREVIATIONS.includes(name.toUpperCase())) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
