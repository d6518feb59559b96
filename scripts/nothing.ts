/** In the place of a module that is never used: called, it does nothing, and there is nothing in it. See build.ts. */
export default function nothing() {
  return nothing;
}
