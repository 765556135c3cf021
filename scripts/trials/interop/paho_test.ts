/**
 * paho-mqtt for JavaScript, which speaks WebSocket alone, at levels 4 and 3 against the broker, over ws:// and wss://.
 * @module
 */
import { assertEquals } from "@std/assert";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { patient } from "../../../src/testing/patience.ts";
import { CA, CERT, KEY } from "../../../src/testing/tls.ts";
import { Inbox, within } from "../../lib/within.ts";
import { assertSameBytes, onStage, pattern, type Stage, UNICODE_TOPICS } from "./test_broker.ts";

/** As much of it as is used: the package has no types. */
interface Paho {
  readonly Client: new (uri: string, clientId: string) => PahoClient;
  readonly Message: new (payload: string | ArrayBuffer) => PahoMessage;
}

interface PahoMessage {
  destinationName: string;
  qos: number;
  retained: boolean;
  readonly payloadString: string;
  readonly payloadBytes: Uint8Array;
}

interface PahoClient {
  onMessageArrived: (message: PahoMessage) => void;
  onMessageDelivered: (message: PahoMessage) => void;
  onConnectionLost: (why: { readonly errorCode: number }) => void;
  connect(options: Record<string, unknown>): void;
  subscribe(filter: string, options: Record<string, unknown>): void;
  send(message: PahoMessage): void;
  disconnect(): void;
}

/** It takes both from the global object, as a page has them: here a WebSocket that trusts our authority, and no place to keep messages in. */
const GLOBALS = {
  WebSocket: class extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols, { ca: CA });
    }
  },
  localStorage: undefined,
};
const originals = Object.keys(GLOBALS).map((name) =>
  [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const
);
let paho: Paho;

before(async () => {
  for (const [name, value] of Object.entries(GLOBALS)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  paho = (await import("paho-mqtt") as unknown as { readonly default: Paho }).default;
});

after(() => {
  for (const [name, original] of originals) {
    if (original === undefined) delete (globalThis as Record<string, unknown>)[name];
    else Object.defineProperty(globalThis, name, original);
  }
});

/** One Client that is connected. */
class Joined {
  readonly messages: Inbox<PahoMessage> = new Inbox();
  readonly lost: Inbox<number> = new Inbox();
  readonly #delivered: Inbox<PahoMessage> = new Inbox();
  readonly #client: PahoClient;
  #isOver = false;

  private constructor(client: PahoClient) {
    this.#client = client;
    client.onMessageArrived = (message) => this.messages.put(message);
    client.onMessageDelivered = (message) => this.#delivered.put(message);
    client.onConnectionLost = ({ errorCode }) => {
      this.#isOver = true;
      this.lost.put(errorCode);
    };
  }

  static async join(
    stage: Stage,
    scheme: string,
    clientId: string,
    options: Record<string, unknown>,
  ): Promise<Joined> {
    const client = new paho.Client(`${scheme}://127.0.0.1:${stage.port}/mqtt`, clientId);
    const joined = new Joined(client);
    await called((onSuccess, onFailure) => client.connect({ ...options, onSuccess, onFailure }), "CONNACK");
    stage.atEnd(() => joined.leave());
    return joined;
  }

  async subscribe(filter: string, qos: number): Promise<void> {
    await called(
      (onSuccess, onFailure) => this.#client.subscribe(filter, { qos, onSuccess, onFailure }),
      "SUBACK",
    );
  }

  /** Publishes, and waits for what the QoS promises. */
  async send(topic: string, payload: string | Uint8Array, qos = 0, retained = false): Promise<void> {
    const bytes = typeof payload === "string" ? payload : payload.slice().buffer as ArrayBuffer;
    const message = Object.assign(new paho.Message(bytes), { destinationName: topic, qos, retained });
    this.#client.send(message);
    if (qos > 0) await this.#delivered.take(`what answers ${topic}`, (one) => one === message);
  }

  leave(): void {
    if (!this.#isOver) this.#client.disconnect();
    this.#isOver = true;
  }
}

/** Waits until one of the two functions that it hands out is called; rejects by the second. */
function called(
  call: (onSuccess: () => void, onFailure: (why: unknown) => void) => void,
  what: string,
): Promise<void> {
  const answered = new Promise<void>((resolve, reject) =>
    call(() => resolve(), (why) => reject(new Error(`${what}: ${JSON.stringify(why)}`)))
  );
  return within(answered, what);
}

for (const scheme of ["ws", "wss"] as const) {
  const tls = scheme === "wss" ? { cert: CERT, key: KEY } : undefined;
  describe(`paho-mqtt over ${scheme}://`, () => {
    for (const mqttVersion of [4, 3]) {
      const join = (stage: Stage, id: string, more: Record<string, unknown> = {}) =>
        Joined.join(stage, scheme, id, { mqttVersion, ...more });

      test(
        `level ${mqttVersion}: gets what it publishes at every QoS, of any topic, short and long`,
        patient,
        () =>
          onStage(
            async (stage) => {
              const own = await join(stage, "own");
              await own.subscribe("#", 2);
              const large = pattern(300_000);
              for (const qos of [0, 1, 2]) {
                for (const topic of UNICODE_TOPICS) await own.send(topic, `${topic} at ${qos}`, qos);
                await own.send("large", large, qos);
                const came = await own.messages.takeMany(UNICODE_TOPICS.length + 1, "a message");
                const texts = came.slice(0, -1);
                assertEquals(texts.map(({ destinationName }) => destinationName), UNICODE_TOPICS);
                assertEquals(
                  texts.map(({ payloadString }) => payloadString),
                  UNICODE_TOPICS.map((topic) => `${topic} at ${qos}`),
                );
                assertEquals(came.map((message) => message.qos), came.map(() => qos));
                assertSameBytes(new Uint8Array(came.at(-1)!.payloadBytes), large);
              }
            },
            tls,
            true,
          ),
      );

      test(
        `level ${mqttVersion}: a retained message, a Will, and a session that waits`,
        patient,
        () =>
          onStage(
            async (stage) => {
              const willMessage = Object.assign(new paho.Message("gone"), {
                destinationName: "will",
                qos: 1,
                retained: false,
              });
              const mortal = await join(stage, "mortal", { willMessage, cleanSession: false });
              await mortal.subscribe("news", 1);
              const other = await join(stage, "other");
              await other.send("kept", "this", 1, true);
              await other.subscribe("kept", 1);
              await other.subscribe("will", 1);
              const [kept] = await other.messages.takeMany(1, "the retained message");
              assertEquals([kept!.payloadString, kept!.retained], ["this", true]);
              const heir = await join(stage, "mortal", { cleanSession: false });
              const [will] = await other.messages.takeMany(1, "the Will");
              assertEquals(will!.payloadString, "gone");
              await mortal.lost.take("the end of the connection that was taken over");
              heir.leave();
              await stage.disconnected("mortal");
              await stage.disconnected("mortal");
              await other.send("news", "old", 1);
              const late = await join(stage, "mortal", { cleanSession: false });
              const [news] = await late.messages.takeMany(1, "what waited");
              assertEquals(news!.payloadString, "old");
            },
            tls,
            true,
          ),
      );
    }
  });
}
