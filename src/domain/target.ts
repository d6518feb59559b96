/** A project by id or name (the id wins), single valves of it, or single valves alone. */
export interface Target {
  readonly projectId: string | null;
  readonly projectName: string | null;
  /** uuid, full or short serial; empty: all of the project */
  readonly valves: readonly string[];
}

/** Without a project and valves: all valves that the key can see. Not in a configuration. */
export const EVERYTHING: Target = { projectId: null, projectName: null, valves: [] };

/** A project that a configured name meant in an earlier run. */
export interface Meaning {
  readonly projectId: string;
  /** what the project was called at that run */
  readonly name: string;
  /**
   * - `own`: a run with the same account, server and key
   * - `inherited`: the same key under another account name, or a run from before there were accounts
   * - `other key`: the same account and server with another key; true only if this key sees the project
   */
  readonly from: 'own' | 'inherited' | 'other key';
}

/** A target of single valves, which any project may list. */
export function isWithoutProject({ projectId, projectName }: Target): boolean {
  return projectId === null && projectName === null;
}
