/** In the place of a module that is never used; see build.ts. */
export default null;
