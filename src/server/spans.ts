/**
 * Spans of what is rare: connects, subscriptions, commits and other questions, handed to an owner when they are over.
 * Knows begin, end and what they are about; refuses to know tracers. Messages have none.
 * @module
 */
import type { BrokerHooks, PeerInfo, Question } from "../broker/mod.ts";
import type { DriverMeter } from "./driver.ts";

/** Something that is over. */
export interface FinishedSpan {
  /** `mqtt.connect`, `mqtt.subscribe`, `mqtt.commit`, `mqtt.authenticate`, `mqtt.authorize`, `mqtt.page_in`, `mqtt.bridge`. */
  readonly name: string;
  /** ms since the epoch, with parts of them. */
  readonly startMs: number;
  /** The same; of what takes no time it is `startMs`. */
  readonly endMs: number;
  /** By the names of OpenTelemetry where it has one. */
  readonly attributes: Readonly<Record<string, string | number>>;
  /** The rule that it was refused for. */
  readonly error?: string;
}

/** Called for each span. */
export type SpanSink = (span: FinishedSpan) => void;

const NAMES: Readonly<Partial<Record<Question["kind"], string>>> = {
  "commit": "mqtt.commit",
  "authenticate": "mqtt.authenticate",
  "authorize": "mqtt.authorize",
  "page in": "mqtt.page_in",
};

const SYSTEM = { "messaging.system": "mqtt" } as const;

/** The present time, and that of an earlier `performance.now()`: ms since the epoch. */
function epoch(at: number = performance.now()): number {
  return performance.timeOrigin + at;
}

/** The spans of one server. It stands between the driver and its meter. */
export class Spans implements DriverMeter {
  /** Measures too, while there is one. */
  meter: DriverMeter | undefined;
  readonly #sink: SpanSink;
  /** When connections were opened that have no answer to their CONNECT yet: ms since the epoch. */
  readonly #opened: WeakMap<PeerInfo, number> = new WeakMap();

  constructor(sink: SpanSink) {
    this.#sink = sink;
  }

  /** A connection is open: TCP, and TLS or WebSocket above it. */
  opened(peer: PeerInfo): void {
    this.#opened.set(peer, epoch());
  }

  /** These hooks, and spans of what they are told. */
  around<Hooks extends BrokerHooks>(hooks: Hooks): Hooks {
    const own: Pick<BrokerHooks, "connected" | "refused" | "subscribed"> = {
      connected: (client, sessionPresent) => {
        this.#connect(client.peer, { "messaging.client.id": client.clientId, "mqtt.level": client.level });
        return hooks.connected?.(client, sessionPresent);
      },
      refused: (peer, refusal, client) => {
        const about = client === undefined ? {} : { "messaging.client.id": client.clientId };
        this.#connect(peer, { ...about, "error.type": refusal.rule }, refusal.rule);
        return hooks.refused?.(peer, refusal, client);
      },
      subscribed: (client, filter, granted) => {
        const now = epoch();
        const attributes = {
          ...SYSTEM,
          "messaging.client.id": client.clientId,
          "messaging.destination.template": filter,
          "mqtt.qos": granted.qos,
        };
        this.#sink({ name: "mqtt.subscribe", startMs: now, endMs: now, attributes });
        return hooks.subscribed?.(client, filter, granted);
      },
    };
    // Hooks may be methods of a class with private fields: each is called on its own object.
    return new Proxy(hooks, {
      get(all, name) {
        const hook: unknown = Reflect.get(own, name) ?? Reflect.get(all, name);
        return typeof hook === "function" ? hook.bind(all) : hook;
      },
    });
  }

  #connect(peer: PeerInfo, about: FinishedSpan["attributes"], error?: string): void {
    const now = epoch();
    const attributes = {
      ...SYSTEM,
      "network.transport": peer.transport,
      "network.peer.address": peer.address,
      "network.peer.port": peer.port,
      ...about,
    };
    const startMs = this.#opened.get(peer) ?? now;
    this.#sink({
      name: "mqtt.connect",
      startMs,
      endMs: now,
      attributes,
      ...error !== undefined && { error },
    });
  }

  turnBegins(received: number): void {
    this.meter?.turnBegins(received);
  }

  turnEnds(received: number): void {
    this.meter?.turnEnds(received);
  }

  asked(): number {
    return performance.now();
  }

  answered(kind: Question["kind"], askedAt: number): void {
    this.meter?.answered(kind, askedAt);
    const name = NAMES[kind];
    if (name === undefined) return;
    this.#sink({ name, startMs: epoch(askedAt), endMs: epoch(), attributes: SYSTEM });
  }
}
