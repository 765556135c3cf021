/**
 * The auditor behind the page: has pages start Clients, by messages through the broker, and audits them over WebSocket.
 * Knows how pages are asked; refuses to know what a case does.
 * @module
 */
import {
  type ClientOrder,
  type Driver,
  type RunningClient,
  SKILLS,
  type Where,
} from "../../conformance/client/drivers/driver.ts";
import type { Server } from "../../src/server/serve.ts";
import { auditClients } from "./audits.ts";
import { AUDITOR, BEGIN, type FromPage, fromPage, type ToPage, toPage } from "./orders.ts";

/** ms: a page is slower than a program, and its messages take two ways. */
const CONNECT_MS = 20_000;
/** ms: a page that is gone tells nothing of the end of its Clients. */
const GONE_MS = 5_000;

const decoder = new TextDecoder();

/** Waits for pages at this broker. */
export function offerAudits(server: Server): void {
  server.publish({ topic: AUDITOR, payload: "here", retain: true });
  server.tap(BEGIN, ({ view: { bytes, payloadAt, end } }) => {
    const page = decoder.decode(bytes.subarray(payloadAt, end));
    if (/^\d{1,20}$/.test(page)) void audit(server, page);
  });
}

/** One audit of the Clients of one page. */
async function audit(server: Server, page: string): Promise<void> {
  const clients = new Map<number, PageClient>();
  const tell = (message: ToPage): void =>
    server.publish({ topic: toPage(page), payload: JSON.stringify(message), qos: 2 });
  const tap = server.tap(fromPage(page), ({ view: { bytes, payloadAt, end } }) => {
    const told = JSON.parse(decoder.decode(bytes.subarray(payloadAt, end))) as FromPage;
    clients.get(told.client)?.told(told);
  });
  const driver: Driver = {
    name: "plumb, in a page",
    skills: new Set(SKILLS),
    port: 0,
    connectMs: CONNECT_MS,
    flags: "--client --driver plumb",
    start(order, where) {
      const client = new PageClient(clients.size, tell, order, where);
      clients.set(clients.size, client);
      return Promise.resolve(client);
    },
  };
  try {
    await auditClients(driver, true, {
      planned: (cases) => tell({ planned: cases }),
      told: (result) => tell({ result }),
    });
    tell({ over: true });
  } catch (error) {
    tell({ over: true, error: error instanceof Error ? error.message : String(error) });
  } finally {
    server.untap(tap);
  }
}

/** A Client in the page. */
class PageClient implements RunningClient {
  heard: FromPage["heard"] = [];
  words = "";
  readonly gone: Promise<void>;
  readonly #number: number;
  readonly #tell: (message: ToPage) => void;
  #isGone: () => void = () => {};

  constructor(number: number, tell: (message: ToPage) => void, order: ClientOrder, where: Where) {
    this.#number = number;
    this.#tell = tell;
    this.gone = new Promise((resolve) => this.#isGone = resolve);
    tell({ start: number, order, where });
  }

  told({ heard, words, isGone }: FromPage): void {
    this.heard = heard;
    this.words = words;
    if (isGone) this.#isGone();
  }

  leave(): void {
    this.#tell({ leave: this.#number });
  }

  async stop(): Promise<void> {
    this.#tell({ stop: this.#number });
    const timer = setTimeout(this.#isGone, GONE_MS);
    await this.gone;
    clearTimeout(timer);
  }
}
