/**
 * What TLS costs the runtime itself: a relay over its own sockets, without our transports, which writes to each connection once a
 * turn, as the broker does. Run: `relay_child.ts tcp|tls`. What it is sent: `Load.onRelay` in `../guard/load.ts`.
 * Knows sockets; refuses to know MQTT.
 * @module
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { setImmediate } from "node:timers";
import { createServer } from "node:tls";
import { CERT, KEY } from "../../../src/testing/tls.ts";
import { tellOn } from "../guard/child.ts";

/** Who receives, by the number of the pair. */
const receivers: (Line | undefined)[] = [];

/** One connection. What a socket does not take at once is its own affair. */
class Line {
  readonly #write: (bytes: Uint8Array) => void;
  /** What has come for it in this turn. */
  #chunks: Uint8Array[] = [];
  #pair = -1;

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  readonly #flush = (): void => {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#write(all);
  };

  put(chunk: Uint8Array): void {
    if (this.#chunks.push(chunk) === 1) setImmediate(this.#flush);
  }

  received(chunk: Uint8Array): void {
    let at = 0;
    if (this.#pair < 0) {
      this.#pair = chunk[1]!;
      at = 2;
      if (chunk[0] === 0x52) {
        receivers[this.#pair] = this;
        this.put(chunk.subarray(0, 1)); // it is known now
      }
    }
    if (at < chunk.length) receivers[this.#pair]?.put(chunk.subarray(at));
  }
}

interface BunSocket {
  data: { line: Line; rest: Uint8Array };
  write(bytes: Uint8Array): number;
}

/** The part of Bun that is used. */
interface BunSlice {
  listen(options: object): { readonly port: number };
}

interface DenoConn {
  read(buffer: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  setNoDelay(on: boolean): void;
}

/** The part of Deno that is used. */
interface DenoSlice {
  listen(options: object): { readonly addr: { readonly port: number }; accept(): Promise<DenoConn> };
}

const { Bun: bun, Deno: deno } = globalThis as unknown as { Bun?: BunSlice; Deno?: DenoSlice };
const host = "127.0.0.1";
const isSecure = process.argv[2] === "tls";

function onBun(bun: BunSlice): number {
  const write = (socket: BunSocket, bytes: Uint8Array) => {
    const rest = socket.data.rest.length > 0 ? Buffer.concat([socket.data.rest, bytes]) : bytes;
    const taken = socket.write(rest);
    socket.data.rest = rest.subarray(Math.max(0, taken)).slice();
  };
  const socket = {
    binaryType: "uint8array",
    open(socket: BunSocket): void {
      socket.data = { rest: new Uint8Array(), line: new Line((bytes) => write(socket, bytes)) };
    },
    data: (socket: BunSocket, chunk: Uint8Array) => socket.data.line.received(chunk),
    drain: (socket: BunSocket) => write(socket, new Uint8Array()),
    error() {},
  };
  return bun.listen({ hostname: host, port: 0, socket, ...isSecure && { tls: { cert: CERT, key: KEY } } })
    .port;
}

/** Through `Deno.listen`, as our adapter. */
function onDeno(deno: DenoSlice): number {
  const listener = deno.listen({ hostname: host, port: 0 });
  (async () => {
    for (;;) serve(await listener.accept()).catch(() => {});
  })();
  return listener.addr.port;
}

async function serve(conn: DenoConn): Promise<void> {
  conn.setNoDelay(true);
  const buffer = new Uint8Array(64 * 1024);
  const line = new Line((bytes) => send(conn, bytes));
  for (let length: number | null; (length = await conn.read(buffer)) !== null;) {
    line.received(buffer.slice(0, length));
  }
}

function send(conn: DenoConn, bytes: Uint8Array): void {
  conn.write(bytes).then((sent) => sent < bytes.length && send(conn, bytes.subarray(sent)), () => {});
}

/** Through `node:tls`: `Deno.listenTls` leaves Nagle's algorithm on. */
async function onNode(): Promise<number> {
  const server = createServer({ cert: CERT, key: KEY, noDelay: true } as object, (socket) => {
    const line = new Line((bytes) => void socket.write(bytes));
    socket.on("data", (chunk: Uint8Array) => line.received(chunk)).on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as { readonly port: number }).port;
}

tellOn(bun !== undefined ? onBun(bun) : isSecure ? await onNode() : onDeno(deno!));
