/** Sends the replies of the simulated HyCloud, with faults of the connection. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { constants, gzip, gzipSync } from 'node:zlib';
import type { Reply } from './api.ts';
import { faultOf, isUnanswered, type Fault } from './faults.ts';

const gzipAsync = promisify(gzip);

const GZIP = { level: constants.Z_BEST_SPEED };
/** Compresses small answers with little memory, as nginx does: clearing more memory would take most of the time. */
const SMALL_WINDOW_BITS = 10;
const GZIP_SMALL = { ...GZIP, windowBits: SMALL_WINDOW_BITS, memLevel: 3 };

const MEGABYTE = 2 ** 20;

/** Resets the TCP connection (RST). Node cannot do this for TLS. */
function cutConnection(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

/** One megabyte of blanks, compressed. Any number of gzip members may follow each other (RFC 1952, 2.2). */
let packedMegabyte: Buffer | undefined;

/** Waits until the client has read enough, so that an endless answer does not fill the memory. */
async function writeAndDrain(response: ServerResponse, chunk: Buffer, closed: AbortSignal): Promise<void> {
  if (response.write(chunk)) return;
  await once(response, 'drain', { signal: closed }).catch(() => undefined);
}

/** A reply, and the body that is sent if no fault replaces it. */
export interface PackedReply extends Reply {
  body: Buffer;
  isPacked: boolean;
}

/** Compresses a body that is large enough, if the client accepts it. */
export async function pack(request: IncomingMessage, reply: Reply, gzipFromBytes: number): Promise<PackedReply> {
  const body = Buffer.from(reply.text);
  const isPacked = body.length >= gzipFromBytes && /\bgzip\b/.test(String(request.headers['accept-encoding']));
  if (!isPacked) return { ...reply, body, isPacked };
  const isSmall = body.length <= 2 ** SMALL_WINDOW_BITS;
  return { ...reply, body: isSmall ? gzipSync(body, GZIP_SMALL) : await gzipAsync(body, GZIP), isPacked };
}

/** Sends a reply with its faults. `closed` aborts when the response closes. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  reply: PackedReply,
  faults: readonly Fault[],
  closed: AbortSignal,
): Promise<void> {
  const reset = faultOf(faults, 'reset');
  if (isUnanswered(faults)) {
    if (reset) cutConnection(request.socket);
    return;
  }

  response.statusCode = reply.status;
  for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value);

  if (reset) {
    const body = Buffer.from(reply.text);
    response.setHeader('content-length', body.length);
    response.write(body.subarray(0, Math.floor(body.length / 2)), () => cutConnection(request.socket));
    return;
  }
  const bomb = faultOf(faults, 'gzipBomb');
  if (bomb) {
    packedMegabyte ??= gzipSync(Buffer.alloc(MEGABYTE, ' '));
    response.setHeader('content-encoding', 'gzip');
    const megabytes = bomb.megabytes ?? 1024;
    for (let sent = 0; sent < megabytes && !closed.aborted; sent++) {
      await writeAndDrain(response, packedMegabyte, closed);
    }
    response.end();
    return;
  }
  if (faultOf(faults, 'endless')) {
    const blanks = Buffer.alloc(64 * 1024, ' ');
    while (!closed.aborted) await writeAndDrain(response, blanks, closed);
    return;
  }
  const drip = faultOf(faults, 'drip');
  if (drip) {
    response.flushHeaders();
    while (!closed.aborted) {
      response.write(' ');
      await sleep(drip.everyMs ?? 100, undefined, { signal: closed }).catch(() => undefined);
    }
    return;
  }
  if (reply.isPacked) response.setHeader('content-encoding', 'gzip');
  response.setHeader('content-length', reply.body.length);
  response.end(reply.body);
}
