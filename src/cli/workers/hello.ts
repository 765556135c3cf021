/**
 * The line with which a connection between two workers begins.
 * Knows its form and its bounds; refuses to know what follows it.
 * @module
 */
import type { RelayHead } from "../../server/serve.ts";
import { peerOf } from "../../transport/peer_json.ts";

/** What connections between workers speak: a worker refuses another version. */
const VERSION = 1;
/** Names of a certificate are what is long in it. */
export const HELLO_BYTES_MAX: number = 64 * 1024;
const LINE_FEED = 0x0a;

/** Who calls, and for what: a link, or a Client whose bytes follow. */
export interface Hello {
  /** The name of the node. */
  readonly from: string;
  /** Another one for each of its processes. */
  readonly incarnation: string;
  /** Not there for a link. */
  readonly head?: RelayHead;
}

/** A hello, and the bytes that it takes. */
export interface ReadHello extends Hello {
  readonly length: number;
}

/** The bytes of a hello. */
export function helloBytes(hello: Hello): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify({ plumb: VERSION, ...hello })}\n`);
}

/**
 * The hello at the front of these bytes; undefined if more are needed.
 * @throws {Error} for what is none, and one of another version.
 */
export function readHello(bytes: Uint8Array): ReadHello | undefined {
  const end = bytes.subarray(0, HELLO_BYTES_MAX).indexOf(LINE_FEED);
  if (end < 0) {
    if (bytes.length < HELLO_BYTES_MAX) return undefined;
    throw new Error(`no hello within ${HELLO_BYTES_MAX} bytes`);
  }
  const { plumb, from, incarnation, head } = objectOf(bytes.subarray(0, end));
  if (plumb !== VERSION) {
    throw new Error(
      `a hello of version ${JSON.stringify(plumb)}, not ${VERSION}: all workers are of one version`,
    );
  }
  if (typeof from !== "string" || typeof incarnation !== "string") throw new Error("a hello without a name");
  return {
    length: end + 1,
    from,
    incarnation,
    ...head !== undefined && { head: headOf(head) },
  };
}

function objectOf(line: Uint8Array): Record<string, unknown> {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
    if (typeof value === "object" && value !== null) return value;
  } catch { // the same
  }
  throw new Error("what it says first is no hello");
}

/** @throws {Error} */
function headOf(value: unknown): RelayHead {
  const { listener, peer } = value as { readonly listener?: unknown; readonly peer?: unknown };
  const read = peerOf(peer);
  if (Number.isInteger(listener) && read !== undefined) return { listener: listener as number, peer: read };
  throw new Error("a hello with a Client of whom too little is said");
}
