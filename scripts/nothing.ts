/** In the place of a module that is never used: whatever is called of it does nothing. See build.ts. */
export default function nothing() {
  return nothing;
}
