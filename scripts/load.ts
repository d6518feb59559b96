import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

/** A file that build.ts has put into dist/: CommonJS, which may require others by `./name.cjs`. */
interface Part {
  exports: unknown;
  script: Script;
  /** Keeps what V8 has compiled of it, for starts of this Node on this kind of machine; others compile. */
  keepCode: () => void;
}

type Wrapped = (module: { exports: unknown }, require: (name: string) => unknown, importMetaUrl: string) => void;

/** Loads parts of the program, each once. A start takes a tenth less time than with Node's own loader, which compiles. */
export function createLoader(folder: string): (name: string) => Part {
  const parts = new Map<string, Part>();
  const nodeRequire = createRequire(join(folder, 'cli.js'));
  const require = (name: string): unknown => {
    const part = /^\.\/(.+)\.cjs$/.exec(name)?.[1];
    return part === undefined ? nodeRequire(name) : load(part).exports;
  };

  function load(name: string): Part {
    const known = parts.get(name);
    if (known) return known;
    const file = join(folder, `${name}.cjs`);
    const compiled = compile(file);
    const module = { exports: {} };
    (compiled.script.runInThisContext() as Wrapped)(module, require, pathToFileURL(file).href);
    const part = { ...compiled, exports: module.exports };
    parts.set(name, part);
    return part;
  }
  return load;
}

function compile(file: string): Omit<Part, 'exports'> {
  const source = readFileSync(file, 'utf8');
  const cacheFile = `${file}.${process.version}-${process.platform}-${process.arch}.cache`;
  const code = existsSync(cacheFile) ? intact(readFileSync(cacheFile), source) : null;
  // In one line with the part's first, so that a stack has its own lines; its path is that of the build, from the cache.
  const script = new Script(`(function (module, require, importMetaUrl) {${source}\n})`, {
    filename: file,
    ...(code && { cachedData: code }),
  });
  const keepCode = (): void => {
    const compiled = script.createCachedData();
    writeFileSync(cacheFile, Buffer.concat([checksumOf(compiled, source), compiled]));
  };
  return { script, keepCode };
}

/** V8 itself would run what is damaged, or was compiled of another source that is as long. */
function intact(cache: Buffer, source: string): Buffer | null {
  const code = cache.subarray(CHECKSUM_BYTES);
  return checksumOf(code, source).equals(cache.subarray(0, CHECKSUM_BYTES)) ? code : null;
}

const CHECKSUM_BYTES = 8;

/** CRC-32 of both: against accidents, not against people. */
function checksumOf(code: Buffer, source: string): Buffer {
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeUInt32LE(crc32(code));
  checksum.writeUInt32LE(crc32(source), 4);
  return checksum;
}
