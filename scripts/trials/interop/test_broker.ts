/**
 * One broker on a free port of loopback for one test, with the adapter of the runtime the test runs on.
 * Knows how a test begins and ends; refuses to know who connects.
 * @module
 */
import { serve, type Server, type TlsServerOptions } from "../../../src/server/serve.ts";
import { Inbox, within } from "../../lib/within.ts";

/** Something a broker told by its hooks. */
interface Happening {
  readonly what: "connected" | "disconnected" | "subscribed" | "discarded";
  readonly clientId: string;
  readonly filter?: string;
}

/** A broker, what happened on it, and what is to be ended with it. */
export class Stage {
  readonly server: Server;
  /** Where Clients connect: a test may put a relay before the broker. */
  port: number;
  readonly #happenings: Inbox<Happening>;
  readonly #ending: (() => unknown)[] = [];

  constructor(server: Server, happenings: Inbox<Happening>) {
    this.server = server;
    this.port = Number(new URL(server.addresses[0]!).port);
    this.#happenings = happenings;
  }

  /** Waits until that Client is connected. */
  connected(clientId: string): Promise<unknown> {
    return this.#happened({ what: "connected", clientId });
  }

  /** Waits until that Client's connection is over. */
  disconnected(clientId: string): Promise<unknown> {
    return this.#happened({ what: "disconnected", clientId });
  }

  /** Waits until that Client has subscribed to that filter. */
  subscribed(clientId: string, filter: string): Promise<unknown> {
    return this.#happened({ what: "subscribed", clientId, filter });
  }

  /** Waits until a message of that Client was thrown away. */
  discarded(clientId: string): Promise<unknown> {
    return this.#happened({ what: "discarded", clientId });
  }

  #happened({ what, clientId, filter }: Happening): Promise<unknown> {
    return this.#happenings.take(
      `${clientId} ${what} ${filter ?? ""}`,
      (one) => one.what === what && one.clientId === clientId && one.filter === filter,
    );
  }

  /** Has something ended with the test, the last first. */
  atEnd(end: () => unknown): void {
    this.#ending.push(end);
  }

  /** Ends everything, the broker last. */
  async end(): Promise<void> {
    for (const end of this.#ending.reverse()) await end();
    await within(this.server.close(), "the broker closes");
  }
}

/** Runs `body` against a fresh broker, with TLS or without; fails on internal errors of that too. */
export async function onStage(
  body: (stage: Stage) => Promise<void>,
  tls?: TlsServerOptions,
  isWebSocket = false,
): Promise<void> {
  const happenings = new Inbox<Happening>();
  const failures: unknown[] = [];
  const server = await serve({
    listen: [`${isWebSocket ? "ws" : "mqtt"}${tls === undefined ? "" : "s"}://127.0.0.1:0`],
    ...tls && { tls },
    hooks: {
      connected: ({ clientId }) => happenings.put({ what: "connected", clientId }),
      disconnected: ({ clientId }) => happenings.put({ what: "disconnected", clientId }),
      subscribed: ({ clientId }, filter) => happenings.put({ what: "subscribed", clientId, filter }),
      discarded: ({ clientId }) => happenings.put({ what: "discarded", clientId }),
      failed: (error) => failures.push(error),
    },
  });
  const stage = new Stage(server, happenings);
  try {
    await body(stage);
  } finally {
    await stage.end();
  }
  if (failures.length > 0) throw new AggregateError(failures, "The broker had internal errors");
}

/** Topics that a sloppy program would change on the way: beyond the BMP, with a BOM, composed and decomposed. */
export const UNICODE_TOPICS: readonly string[] = [
  "Grüße/мир/世界",
  "rakete/🚀/𝄞/👩‍👩‍👧",
  "\uFEFFbom/in\uFEFFside/\uFEFF",
  "e\u0301/\u00E9",
  "\u{10FFFD}/\uE000",
  " / / ",
];

/** Bytes in which a shift, a loss or a swap shows. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + (i >> 16)) & 255;
  return bytes;
}

/** Fails unless the bytes are the same; says where they differ, and does not print five million numbers. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (actual.length !== expected.length) throw new Error(`${actual.length} bytes, not ${expected.length}`);
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] !== expected[i]) throw new Error(`Byte ${i} is ${actual[i]}, not ${expected[i]}`);
  }
}

/** The payload of the large messages. */
export const LARGE: Uint8Array = pattern(5_000_000);
