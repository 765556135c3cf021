/**
 * One connection for all tabs: a SharedWorker in which a broker serves the tabs, each a Client of its own by a MessagePort, and one Client
 * carries what is below `home/` to the Server outside and back. Tabs have their own subscriptions, sessions and wills; what they publish
 * goes on while there is no network, and is kept in IndexedDB until the Server has it.
 * @module
 */
import { Broker, type Question } from "../../src/broker/mod.ts"; // from a package: "@plumb/mqtt/broker"
import { connect } from "../../src/client_api/browser.ts"; // "@plumb/mqtt/client/browser"
import { openClientStore } from "../../src/client_store/indexed_db.ts"; // "@plumb/mqtt/client/indexed-db"
import { decodePacket, PacketType } from "../../src/codec/mod.ts"; // "@plumb/mqtt/codec"
import { messagePortTransport, type PortLike, type Transport } from "../../src/runtime/in_process.ts"; // "@plumb/mqtt/in-process"

const FILTER = "home/#";
const worker = globalThis as unknown as {
  readonly location: { readonly origin: string };
  /** The Client Identifier, which the tabs keep. */
  readonly name: string;
  onconnect: (event: { readonly ports: readonly PortLike[] }) => void;
};

// The broker is an engine: this is the loop around it.

const broker = new Broker({ hooks: { failed: (error) => console.error(error) } });
let isEnding = false;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Calls the engine with the time, and has the turn end. */
function run(input: (now: number) => void): void {
  input(Date.now());
  if (!isEnding && broker.work !== "none") {
    isEnding = true;
    if (broker.work === "soon") queueMicrotask(endTurn);
    else setTimeout(endTurn);
  }
  clearTimeout(timer);
  const waitMs = broker.nextDeadline() - Date.now();
  if (waitMs < Infinity) {
    timer = setTimeout(() => run((now) => broker.ticked(now)), Math.min(Math.max(waitMs, 0), 2 ** 31 - 1));
  }
}

function endTurn(): void {
  isEnding = false;
  run((now) => broker.flush(now).forEach(answer));
}

function answer(question: Question): void {
  const answered = (value?: unknown) => run((now) => broker.answered(question, value, now));
  const rejected = (error: unknown) => run((now) => broker.rejected(question, error, now));
  if (question.kind === "look") setTimeout(answered); // by then every port has been read
  else question.later.then(answered, rejected);
}

/** A tab has come. */
function accept(transport: Transport): void {
  run((now) => {
    const tab = broker.opened(transport, { address: "", port: 0, transport: "memory" }, now);
    transport.start({
      received: (chunk) => run((now) => tab.received(chunk, now)),
      drained: () => run((now) => tab.drained(now)),
      closed: () => run((now) => tab.closed(now)),
    });
  });
}

worker.onconnect = ({ ports }) => accept(messagePortTransport(ports[0]!, "tab"));

// The Server outside.

const server = await connect(worker.location.origin.replace(/^http/, "ws"), {
  clientId: worker.name,
  level: 5, // below it there is no No Local, and what tabs publish would come back to them
  store: await openClientStore(worker.name),
  connectTimeoutMs: Infinity,
});

/** What the tabs publish goes out; what this worker publishes came from there. */
broker.tap(FILTER, ({ topic, view, publisher }) => {
  if (publisher === undefined) return;
  const packet = decodePacket(view.bytes.slice(view.at, view.end), view.level5 ? 5 : 4);
  if (packet.type !== PacketType.PUBLISH) return;
  const { payload, qos, retain, properties } = packet;
  server.publish(topic, payload, { ...properties, qos, retain, offline: "queue" })
    .catch((error) => console.error(topic, error));
});

/** And the other way. Retained messages stay in the worker for tabs to come. */
const messages = await server.subscribe(FILTER, { noLocal: true, retainAsPublished: true });
for await (const { topic, bytes: payload, qos, retain, properties } of messages) {
  const { topicAlias: _alias, subscriptionIdentifiers: _identifiers, ...rest } = properties;
  run((now) => broker.publish({ topic, payload, qos, retain, properties: rest }, now));
}
