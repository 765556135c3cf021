/**
 * A broker as a process of its own, for scripts that load it: tells where it listens, how it is, and every error of its own.
 * Knows what to count; refuses to know who connects. Run: `broker_child.ts OPTIONS`, JSON as in `ChildOptions`. On standard
 * input `report` asks for a `Report`, `collect` for one after a garbage collection; its end ends the broker.
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import {
  type AuthenticationRequest,
  type Commit,
  type LimitName,
  type MemoryStats,
  MemoryStore,
} from "../../src/broker/mod.ts";
import type { Verdict } from "../../src/broker/mod.ts";
import { serve, type ServeOptions } from "../../src/server/serve.ts";
import { CERT, KEY } from "../../src/testing/tls.ts";

/** What the broker is to be. */
export interface ChildOptions {
  /** Where it listens, in place of any port of 127.0.0.1 over TCP; over TLS it shows the certificate of tests. */
  readonly url?: string;
  readonly limits?: Partial<Record<LimitName, number>>;
  /** Everything that may take time takes this long: commits of a store, verdicts. There is an authorizer too. */
  readonly slowMs?: number;
}

/** How the broker is. */
export interface Report {
  readonly connections: number;
  readonly connected: number;
  readonly sessions: number;
  readonly groups: number;
  readonly subscriptions: number;
  readonly timers: number;
  readonly retained: number;
  /** Sessions in the store. */
  readonly stored: number;
  readonly received: number;
  readonly dropped: number;
  /** Clients whose CONNECT was accepted, connections that ended before, and those we ended after. */
  readonly accepted: number;
  readonly refused: number;
  readonly ended: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** The longest that the loop stood still since the last report. */
  readonly standstillMs: number;
  readonly cpuMs: number;
  /** The broker's ledger. */
  readonly memory: MemoryStats;
}

/** What the process writes, one JSON per line. */
export type ChildLine =
  | { readonly port: number }
  | { readonly report: Report }
  | { readonly failed: string }
  | { readonly limited: LimitName };

/** Commits take their time, as on a disk. */
class SlowStore extends MemoryStore {
  readonly #ms: number;

  constructor(ms: number) {
    super();
    this.#ms = ms;
  }

  override commit(): Commit {
    return new Promise((resolve) => setTimeout(resolve, this.#ms));
  }
}

/** What an owner with a slow disk and a slow directory decides: two rounds of AUTH for the method `m`, nothing below `t/9`. */
function slowOwner(ms: number, store: MemoryStore): ServeOptions {
  const verdictOn = ({ kind, method }: AuthenticationRequest): Verdict =>
    method === "m" && kind !== "continue"
      ? { code: 0x18, authenticationData: Uint8Array.of(1, 2, 3) }
      : { code: 0 };
  return {
    store,
    authenticationMethods: ["m"],
    authenticate: (request) => new Promise((resolve) => setTimeout(() => resolve(verdictOn(request)), ms)),
    authorize: ({ topic }) => topic.startsWith("t/9/") ? 0x87 : 0,
  };
}

function collectGarbage(): void {
  const { gc, Bun } = globalThis as unknown as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  for (let i = 0; i < 4; i++) Bun === undefined ? gc?.() : Bun.gc(true);
}

/** How often the loop is asked whether it stands still. */
const BEAT_MS = 20;

async function main(options: ChildOptions): Promise<void> {
  const tell = (line: ChildLine): void => void process.stdout.write(JSON.stringify(line) + "\n");
  const failed = (error: unknown): void =>
    tell({ failed: error instanceof Error ? error.stack ?? error.message : String(error) });
  process.on("uncaughtException", failed);
  process.on("unhandledRejection", failed);

  const counts = { accepted: 0, refused: 0, ended: 0 };
  const limited = new Set<LimitName>();
  const { slowMs } = options;
  const store = slowMs === undefined ? undefined : new SlowStore(slowMs);
  const server = await serve({
    listen: [options.url ?? "mqtt://127.0.0.1:0"],
    ...options.url !== undefined && /^(mqtts|wss):/.test(options.url) && { tls: { cert: CERT, key: KEY } },
    limits: options.limits ?? {},
    ...(store && slowOwner(slowMs!, store)),
    hooks: {
      connected: () => void counts.accepted++,
      refused: () => void counts.refused++,
      disconnected: (_client, _clean, refusal) => void (refusal && counts.ended++),
      limited(limit): void {
        if (!limited.has(limit)) tell({ limited: limit });
        limited.add(limit);
      },
      failed,
    },
  });

  let standstillMs = 0;
  let last = performance.now();
  const beat = setInterval(() => {
    const now = performance.now();
    standstillMs = Math.max(standstillMs, now - last - BEAT_MS);
    last = now;
  }, BEAT_MS);

  const report = (): Report => {
    const { broker } = server;
    const { connections, connected, sessions, subscriptions, retainedMessages, received, dropped } =
      broker.stats;
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const stoodStillMs = standstillMs;
    standstillMs = 0;
    return {
      connections,
      connected,
      sessions,
      groups: broker.stats.sharedSubscriptions,
      subscriptions,
      timers: broker.stats.deadlines,
      retained: retainedMessages,
      stored: store === undefined ? 0 : [...store.sessions()].length,
      received,
      dropped,
      ...counts,
      rssBytes: rss,
      heapBytes: heapUsed,
      standstillMs: stoodStillMs,
      cpuMs: (user + system) / 1000,
      memory: broker.stats.memory,
    };
  };

  createInterface(process.stdin).on("line", (line) => {
    if (line === "collect") collectGarbage();
    tell({ report: report() });
    last = performance.now();
    standstillMs = 0;
  }).on("close", async () => {
    clearInterval(beat);
    await server.close();
    process.exit(0);
  });
  tell({ port: Number(new URL(server.addresses[0]!).port) });
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? "{}"));
