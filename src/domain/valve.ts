/** Valves and projects as HyCloud lists them, and their names. */

/** A valve. Serial numbers and names are absent where HyCloud has none. */
export interface Valve {
  /** uuid */
  id: string;
  /** "TA-Smart DN32" */
  kind: string | null;
  /** 24 hex digits, printed on the box */
  fullSn: string | null;
  /** 8 hex digits */
  shortSn: string | null;
  cloudIdentifier: string | null;
  /** the name the customer gave it */
  userId: string | null;
  firmware: string | null;
  /** path of its history below HyCloud's base URL; null: the usual path, see pointsPathOf */
  pointsPath: string | null;
}

/** A project with its valves. */
export interface Project {
  id: string;
  name: string;
  valves: readonly Valve[];
  /** what could not be read of the list, so valves may be missing in `valves` */
  unreadable: readonly string[];
}

export interface ProjectSummary {
  id: string;
  name: string;
  valveCount: number;
  userCount: number;
}

type ValveName = Pick<Valve, 'id' | 'shortSn' | 'userId'>;

/** What people call a valve: the customer's name, else the short serial, else the id. */
export function valveLabel(valve: ValveName): string {
  return valve.userId ?? valve.shortSn ?? valve.id;
}

const collator = new Intl.Collator('en', { numeric: true });

/** Numbers within names count as numbers: `Scala 2` before `Scala 10`. The order is the same in every locale. */
export function compareNames(a: string, b: string): number {
  return collator.compare(a, b);
}

/** The order of valves in every list: by name, then serial, then id. */
export function compareValves(a: ValveName, b: ValveName): number {
  return (
    compareNames(valveLabel(a), valveLabel(b)) ||
    compareNames(a.shortSn ?? '', b.shortSn ?? '') ||
    compareNames(a.id, b.id)
  );
}

/** Whether `wanted` (uuid, full or short serial) names this valve; letter case does not matter. */
export function isNamed(valve: Pick<Valve, 'id' | 'fullSn' | 'shortSn'>, wanted: string): boolean {
  const name = wanted.toLowerCase();
  return [valve.id, valve.fullSn, valve.shortSn].some((idOrSerial) => idOrSerial?.toLowerCase() === name);
}

/** Like `isNamed`, but the customer's name counts too. Several valves may have the same name. */
export function isCalled(valve: Pick<Valve, 'id' | 'fullSn' | 'shortSn' | 'userId'>, wanted: string): boolean {
  return isNamed(valve, wanted) || (valve.userId !== null && foldName(valve.userId) === foldName(wanted));
}

/** Names that differ only in letter case, or in how their accents are encoded, become equal. */
export function foldName(name: string): string {
  return name.toLowerCase().normalize('NFC');
}

/** The path of the valve's history below HyCloud's base URL. */
export function pointsPathOf({ id, pointsPath }: Pick<Valve, 'id' | 'pointsPath'>): string {
  return pointsPath ?? `ta-smart/${encodeURIComponent(id)}/data/points`;
}
