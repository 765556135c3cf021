/**
 * What the console has done and got, also while another view is looked at.
 * Knows the Client and a bounded log; refuses to know how it is shown.
 * @module
 */
import type { Client, Message, Subscription } from "./console_client.ts";
import { spaced } from "./format.ts";
import { Store } from "./store.ts";

/** Entries that are kept; older ones are forgotten. */
export const LOG_MOST = 500;
/** Bytes of payloads that are kept, of all entries. */
const LOG_BYTES_MOST = 4 * 1_048_576;
/** ms between two drawings, however many messages come. */
const DRAW_MS = 150;

/** One line of the log. */
export interface Entry {
  readonly key: number;
  /** ms since 1970. */
  readonly at: number;
  readonly is: "got" | "sent" | "event" | "trouble";
  /** Of an event: what has happened. */
  readonly text?: string;
  readonly topic?: string;
  readonly payload?: Uint8Array;
  readonly qos?: number;
  readonly retain?: boolean;
  /** In words. */
  readonly properties?: readonly string[];
}

/** How a Client connects. */
export interface Connecting {
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
  readonly level: "auto" | "5" | "4";
}

/** How it subscribes. */
export interface Subscribing {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

/** What it publishes. */
export interface Publishing {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly contentType: string;
  readonly responseTopic: string;
  /** Seconds; empty for none. */
  readonly expiry: string;
  /** `name: value`, one a line. */
  readonly userProperties: string;
}

/** One subscription. */
export interface Subscribed {
  readonly filter: string;
  readonly granted: number;
}

/** What is shown. */
export interface ConsoleView {
  readonly is: "closed" | "connecting" | "open" | "away";
  readonly clientId: string;
  readonly entries: readonly Entry[];
  /** Messages that have come. */
  readonly got: number;
  /** Entries that were forgotten. */
  readonly forgotten: number;
  readonly isPaused: boolean;
  readonly subscriptions: readonly Subscribed[];
}

const CLOSED: ConsoleView = {
  is: "closed",
  clientId: "",
  entries: [],
  got: 0,
  forgotten: 0,
  isPaused: false,
  subscriptions: [],
};

/** The present one. */
export const consoleView: Store<ConsoleView> = new Store(CLOSED);

let client: Client | undefined;
const open = new Map<string, Subscription>();
let pending: Entry[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let keys = 0;
let gotSince = 0;

function change(by: Partial<ConsoleView>): void {
  consoleView.set({ ...consoleView.value, ...by });
}

function log(entry: Omit<Entry, "key" | "at">): void {
  pending.push({ key: keys++, at: Date.now(), ...entry });
  if (pending.length > LOG_MOST) pending = pending.slice(-LOG_MOST);
  timer ??= setTimeout(draw, DRAW_MS);
}

function draw(): void {
  timer = undefined;
  const { entries, got, forgotten, isPaused } = consoleView.value;
  const all = isPaused ? entries : [...entries, ...pending];
  if (!isPaused) pending = [];
  let from = Math.max(0, all.length - LOG_MOST);
  let size = 0;
  for (let at = all.length - 1; at >= from; at--) {
    size += all[at]!.payload?.length ?? 0;
    if (size > LOG_BYTES_MOST && at < all.length - 1) from = at + 1;
  }
  change({ entries: all.slice(from), got: got + gotSince, forgotten: forgotten + from });
  gotSince = 0;
}

/** Connects. @throws {Error} with why not. */
export async function connectConsole({ clientId, username, password, level }: Connecting): Promise<void> {
  change({ is: "connecting" });
  const { connect, explain } = await import("./console_client.ts");
  try {
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/mqtt`;
    const own = await connect(url, {
      clientId: clientId || `plumb-page-${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)}`,
      cleanStart: true,
      sessionExpiry: 0,
      level: level === "auto" ? "auto" : level === "5" ? 5 : 4,
      ...username !== "" && { username, password },
    });
    client = own;
    change({ is: "open", clientId: own.clientId });
    log({ is: "event", text: `connected as ${own.clientId}, MQTT ${own.level === 5 ? "5.0" : "3.1.1"}` });
    own.on("disconnected", ({ error, retryAt }) => {
      if (client !== own) return;
      change({ is: retryAt === undefined ? "closed" : "away" });
      log({ is: "trouble", text: explain(error) });
    });
    own.on("connected", () => {
      if (client !== own) return;
      change({ is: "open" });
      log({ is: "event", text: "connected again" });
    });
    own.on("unsubscribed", ({ filter, error }) => {
      log({ is: "trouble", text: `the subscription to ${filter} was not made again: ${explain(error)}` });
    });
    own.on("closed", ({ error }) => {
      if (client !== own) return;
      client = undefined;
      open.clear();
      change({ is: "closed", subscriptions: [] });
      log(
        error === undefined
          ? { is: "event", text: "disconnected" }
          : { is: "trouble", text: `disconnected: ${explain(error)}` },
      );
    });
  } catch (error) {
    change({ is: "closed" });
    throw new Error(await wordsOf(error));
  }
}

/** Disconnects. */
export async function closeConsole(): Promise<void> {
  await client?.close({ timeoutMs: 1_000 });
}

async function inWords<T>(work: (client: Client) => Promise<T>): Promise<T> {
  if (client === undefined) throw new Error("The console is not connected");
  try {
    return await work(client);
  } catch (error) {
    throw new Error(await wordsOf(error));
  }
}

/** What went wrong, without the name of its class. */
async function wordsOf(error: unknown): Promise<string> {
  const { explain } = await import("./console_client.ts");
  return explain(error).replace(/^\w*Error: /, "");
}

/** Subscribes; what comes goes into the log. @throws {Error} with why not. */
export async function subscribeConsole({ filter, qos, noLocal, retainHandling }: Subscribing): Promise<void> {
  await inWords(async (client) => {
    const isLevel5 = client.level === 5;
    await open.get(filter)?.[Symbol.asyncDispose]();
    const subscription = await client.subscribe(filter, {
      qos,
      ...isLevel5 && { noLocal, retainHandling, retainAsPublished: true },
      overflow: "dropOldest",
      ack: "receipt",
    });
    open.set(filter, subscription);
    tellSubscriptions();
    log({ is: "event", text: `subscribed to ${filter}, QoS ${subscription.granted}` });
    void read(filter, subscription);
  });
}

async function read(filter: string, subscription: Subscription): Promise<void> {
  try {
    for await (const message of subscription) got(message);
  } catch { // what the events of the Client tell
  }
  if (open.get(filter) !== subscription) return;
  open.delete(filter);
  tellSubscriptions();
}

function got(message: Message): void {
  gotSince++;
  const { topic, qos, retain } = message;
  log({ is: "got", topic, payload: message.bytes.slice(), qos, retain, properties: propertiesOf(message) });
}

function propertiesOf({ properties }: Message): string[] {
  const { userProperties = [], ...rest } = properties as Readonly<Record<string, unknown>> & {
    readonly userProperties?: readonly (readonly [string, string])[];
  };
  const own = Object.entries(rest).filter(([name, value]) =>
    !/^subscriptionIdentifier|^topicAlias$/.test(name) && value !== undefined
  ).map(([name, value]) =>
    `${spaced(name)}: ${value instanceof Uint8Array ? `${value.length} bytes` : value}`
  );
  return [...own, ...userProperties.map(([name, value]) => `${name}: ${value}`)];
}

/** Ends a subscription. @throws {Error} with why not. */
export async function unsubscribeConsole(filter: string): Promise<void> {
  await inWords(async () => {
    const subscription = open.get(filter);
    open.delete(filter);
    tellSubscriptions();
    await subscription?.[Symbol.asyncDispose]();
    log({ is: "event", text: `unsubscribed from ${filter}` });
  });
}

function tellSubscriptions(): void {
  change({ subscriptions: [...open].map(([filter, { granted }]) => ({ filter, granted })) });
}

/** Publishes. Gives what the broker answered, in words. @throws {Error} with why not. */
export async function publishConsole(of: Publishing): Promise<string> {
  return await inWords(async (client) => {
    const { topic, payload, qos, retain, contentType, responseTopic, expiry } = of;
    const userProperties = pairs(of.userProperties);
    const given = {
      ...contentType !== "" && { contentType },
      ...responseTopic !== "" && { responseTopic },
      ...expiry !== "" && { messageExpiryInterval: Number(expiry) },
      ...userProperties.length > 0 && { userProperties },
    };
    if (client.level !== 5 && Object.keys(given).length > 0) {
      throw new Error("MQTT 3.1.1 has no properties: connect with MQTT 5.0, or leave them empty");
    }
    const { reasonCode } = await client.publish(topic, payload, { qos, retain, ...given });
    log({ is: "sent", topic, payload: new TextEncoder().encode(payload), qos, retain, properties: [] });
    if (qos === 0) return "Sent; at QoS 0 the broker does not answer.";
    return reasonCode === 0x10
      ? "The broker has it; nobody is subscribed to this topic."
      : "The broker has it.";
  });
}

/** @throws {Error} for a line without a colon. */
function pairs(text: string): (readonly [string, string])[] {
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const at = line.indexOf(":");
    if (at < 1) {
      throw new Error(`User properties are written “name: value”, one a line, not ${JSON.stringify(line)}`);
    }
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()] as const;
  });
}

/** Empties the log. */
export function clearLog(): void {
  pending = [];
  change({ entries: [], forgotten: 0, got: 0 });
}

/** Stops or goes on drawing; what comes meanwhile is kept, as far as there is room. */
export function pauseLog(isPaused: boolean): void {
  change({ isPaused });
  draw();
}
