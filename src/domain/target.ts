/** A project by id or name (the id wins), single valves of it, or single valves alone. */
export interface Target {
  readonly projectId: string | null;
  readonly projectName: string | null;
  /** uuid, full or short serial; empty: all of the project */
  readonly valves: readonly string[];
}
