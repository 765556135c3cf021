/**
 * One connection for all tabs: a SharedWorker in which a broker serves the tabs, each a Client of its own by a MessagePort, and one Client
 * carries what is below `home/` to the Server outside and back. Tabs have their own subscriptions, sessions and wills; what they publish
 * goes on while there is no network, and is kept in IndexedDB until the Server has it.
 * @module
 */
import { servePorts } from "../../src/browser/mod.ts"; // from a package: "@plumb/mqtt/browser"
import { connect } from "../../src/client_api/browser.ts"; // "@plumb/mqtt/client/browser"
import { openClientStore } from "../../src/client_store/indexed_db.ts"; // "@plumb/mqtt/client/indexed-db"
import { decodePacket, PacketType } from "../../src/codec/mod.ts"; // "@plumb/mqtt/codec"

const FILTER = "home/#";
const worker = globalThis as unknown as {
  readonly location: { readonly origin: string };
  /** The Client Identifier, which the tabs keep. */
  readonly name: string;
};

/** For the tabs. */
const inside = await servePorts({ listen: true, hooks: { failed: (error) => console.error(error) } });

/** The Server outside. */
const outside = await connect(worker.location.origin.replace(/^http/, "ws"), {
  clientId: worker.name,
  level: 5, // below it there is no No Local, and what tabs publish would come back to them
  store: await openClientStore(worker.name),
  connectTimeoutMs: Infinity,
});

/** What the tabs publish goes out; what this worker publishes came from there. */
inside.tap(FILTER, ({ topic, view, publisher }) => {
  if (publisher === undefined) return;
  const packet = decodePacket(view.bytes.slice(view.at, view.end), view.level5 ? 5 : 4);
  if (packet.type !== PacketType.PUBLISH) return;
  const { payload, qos, retain, properties } = packet;
  outside.publish(topic, payload, { ...properties, qos, retain, offline: "queue" })
    .catch((error) => console.error(topic, error));
});

/** And the other way. Retained messages stay in the worker for tabs to come. */
const messages = await outside.subscribe(FILTER, { noLocal: true, retainAsPublished: true });
for await (const { topic, bytes: payload, qos, retain, properties } of messages) {
  const { topicAlias: _alias, subscriptionIdentifiers: _identifiers, ...rest } = properties;
  inside.publish({ topic, payload, qos, retain, properties: rest });
}
