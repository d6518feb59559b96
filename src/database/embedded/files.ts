import { rename, rm, stat } from 'node:fs/promises';

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Puts a finished folder in its place at once; where another process was first, its folder stays and ours goes. */
export async function renameUnlessThere(staging: string, place: string): Promise<void> {
  try {
    await rename(staging, place);
  } catch (error) {
    if (!(await exists(place))) throw error;
    await rm(staging, { recursive: true, force: true });
  }
}
