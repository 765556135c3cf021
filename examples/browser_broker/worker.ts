/**
 * A broker of this browser, in a SharedWorker for all its tabs. The widgets on the pages are its Clients, and go on whether there is a
 * network or not: sessions, retained messages and what waits are in IndexedDB. What is below `home/` is the same here and at a broker
 * outside, as soon as that can be reached.
 * @module
 */
import { openBrowserStore, servePorts } from "../../src/browser/mod.ts"; // from a package: "@plumb/mqtt/browser"
import { type Client, connect, type Subscription } from "../../src/client_api/browser.ts"; // "@plumb/mqtt/client/browser"

const FILTER = "home/#";
const BRIDGE = "bridge";
/** Where the widgets see how the bridge is doing. Nothing outside does. */
const STATE = "bridge/state";

const { location } = globalThis as unknown as { readonly location: { readonly href: string } };
const { searchParams } = new URL(location.href);
/** The broker outside, and the Client Identifier of this browser there. */
const [url, name] = [searchParams.get("remote")!, searchParams.get("name")!];

const server = await servePorts({
  listen: true,
  store: openBrowserStore("home"),
  hooks: { failed: (error) => console.error(error) },
});

// The bridge is a Client on both sides, with a session that stays. A message waits in the session on the one side until the other side has
// acknowledged it, so it outlives the end of this worker. No Local keeps each side from sending back what came from there.

const session = { level: 5, cleanStart: false, sessionExpiry: 0xffff_ffff } as const;
const subscribed = {
  qos: 2,
  noLocal: true,
  retainAsPublished: true,
  retainHandling: 1,
  ack: "manual",
} as const;

const inside = await connect("worker://here", { ...session, clientId: BRIDGE, dial: server.dial });
const fromInside = await inside.subscribe(FILTER, subscribed);
let isConnected = false;
const state = setInterval(tell, 250);

const outside = await connect(url, {
  ...session,
  clientId: `${BRIDGE}-${name}`,
  connectTimeoutMs: Infinity,
  reconnect: { maxMs: 5_000 },
});
isConnected = true;
outside.on("connected", () => isConnected = true);
outside.on("disconnected", () => isConnected = false);
const fromOutside = await outside.subscribe(FILTER, subscribed);
await Promise.all([carry(fromInside, outside), carry(fromOutside, inside)]);
clearInterval(state);

async function carry(messages: Subscription, to: Client): Promise<void> {
  for await (const message of messages) {
    const { topic, bytes, qos, retain, properties } = message;
    const { topicAlias: _alias, subscriptionIdentifiers: _identifiers, ...rest } = properties;
    const offline = qos === 0 ? "drop" : "queue";
    to.publish(topic, bytes.slice(), { ...rest, qos, retain, offline })
      .then(() => message.ack(), (error) => console.error(topic, error));
  }
}

/** Tells the widgets, if something is new. */
function tell(): void {
  const { queued, exchanges } = server.broker.session(BRIDGE)!;
  const payload = JSON.stringify({ isConnected, waiting: queued + exchanges });
  if (payload === tell.last) return;
  tell.last = payload;
  server.publish({ topic: STATE, payload, retain: true });
}
tell.last = "";
