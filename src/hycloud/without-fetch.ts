/**
 * Node loads its fetch (18 ms) as soon as somebody looks at these; axios looks, to see what it could use, and then uses
 * none of them. fetch itself works without.
 */
for (const name of ['FormData', 'Headers', 'Request', 'Response']) Reflect.deleteProperty(globalThis, name);
