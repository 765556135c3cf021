/**
 * Clients whose line is cut: offline and back, and a tab that is hidden.
 * Knows how a line is cut; refuses to know what the Client does about it.
 * @module
 */
import {
  type Client,
  connectBy,
  type ConnectOptions,
  type Dialer,
  type Subscription,
} from "../../../src/client_api/browser.ts";
import { browserLoop } from "../../../src/client_api/browser_loop.ts";
import { pause, until, world } from "../page/dom.ts";
import { check, needsWebSocket, type Run, type Section } from "../section.ts";

const decoder = new TextDecoder();

/** A way to the broker that can be cut. */
export class Line {
  isOpen = true;
  readonly #dial: Dialer;
  readonly #cuts: Set<() => void> = new Set();

  constructor(dial: Dialer) {
    this.#dial = dial;
  }

  readonly dial: Dialer = async (url, options) => {
    if (!this.isOpen) throw new Error("The line is cut");
    const transport = await this.#dial(url, options);
    const start = transport.start.bind(transport);
    transport.start = (handler) => {
      let isCut = false;
      this.#cuts.add(() => {
        isCut = true;
        transport.abort();
        handler.closed(new Error("The line was cut"));
      });
      start({
        received: (chunk) => isCut || handler.received(chunk),
        drained: () => isCut || handler.drained(),
        closed: (error) => isCut || handler.closed(error),
      });
    };
    return transport;
  };

  /** All connections end without a word, and there will be no other. */
  cut(): void {
    this.isOpen = false;
    for (const cut of this.#cuts) cut();
    this.#cuts.clear();
  }

  /** As a browser does that has a network again. */
  join(): void {
    this.isOpen = true;
    (globalThis as unknown as EventTarget).dispatchEvent(new Event("online"));
  }
}

/** Connects to the broker of the run. */
export function client(
  { reach, signal }: Run,
  options: ConnectOptions,
  dial: Dialer = reach.dial,
): Promise<Client> {
  return connectBy(dial, reach.url, { loop: browserLoop(), signal, keepAlive: 90, ...options });
}

/** Reads a subscription to its end: the texts, as they come. */
export function textsOf(subscription: Subscription): string[] {
  const texts: string[] = [];
  void (async () => {
    for await (const { bytes } of subscription) texts.push(decoder.decode(bytes));
  })().catch(() => {});
  return texts;
}

/** A name that no other run uses. */
export function unique(name: string): string {
  return `plumb-browser-tests/${name}/${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)}`;
}

async function offline(run: Run): Promise<void> {
  run.planned(4);
  run.noted(run.reach.isWebSocket ? "over WebSocket" : "with the broker inside the page");
  const [out, back] = [unique("out"), unique("back")];
  const line = new Line(run.reach.dial);
  const one = await client(run, {
    clientId: `plumb-page-${out.split("/")[2]}`,
    cleanStart: false,
    sessionExpiry: 120,
    reconnect: { minMs: 100, maxMs: 400 },
  }, line.dial);
  const other = await client(run, {});
  try {
    const cameOut = textsOf(await other.subscribe(out, { qos: 2 }));
    const cameBack = textsOf(await one.subscribe(back, { qos: 2 }));
    run.says("The line is cut.");
    line.cut();
    const sent = [1, 2, 3].map((n) => one.publish(out, `out ${n}`, { qos: n === 2 ? 2 : 1 }));
    for (const n of [1, 2, 3]) await other.publish(back, `back ${n}`, { qos: n === 2 ? 2 : 1 });
    await pause(600, run.signal);
    await check(run, "While it is offline, nothing is delivered and nothing is given up", () => {
      if (one.status === "connected") throw new Error("It says that it is connected");
      if (cameOut.length + cameBack.length > 0) throw new Error("Something came");
    });
    run.says("The line is there again.");
    line.join();
    await check(run, "What was published offline is accepted by the broker", () => Promise.all(sent));
    await check(run, "It arrives, each message once and in order", async () => {
      await until(() => cameOut.length >= 3, `3 messages; there are ${cameOut.length}`, run);
      await pause(200, run.signal);
      same(cameOut, ["out 1", "out 2", "out 3"]);
    });
    await check(run, "What was sent to it meanwhile comes too, each message once", async () => {
      await until(() => cameBack.length >= 3, `3 messages; there are ${cameBack.length}`, run);
      same(cameBack, ["back 1", "back 2", "back 3"]);
    });
  } finally {
    await Promise.all([one.close({ timeoutMs: 500, sessionExpiry: 0 }), other.close({ timeoutMs: 500 })]);
  }
}

/** Orders within one QoS are kept, and those of several QoS are not promised. */
function same(came: readonly string[], wanted: readonly string[]): void {
  const [a, b] = [[...came].sort().join(", "), [...wanted].sort().join(", ")];
  if (a !== b) throw new Error(`${a} came, and not ${b}`);
  if (came.indexOf(wanted[0]!) > came.indexOf(wanted[2]!)) throw new Error(`They came as ${came.join(", ")}`);
}

/** s: the broker ends a connection that was silent for one and a half of it. */
const KEEP_ALIVE = 5;

async function hidden(run: Run): Promise<void> {
  needsWebSocket(run);
  const { signal, hiddenSeconds } = run;
  const { document } = world;
  run.planned(2);
  run.noted(`Keep Alive ${KEEP_ALIVE} s, hidden for ${hiddenSeconds} s`);
  const one = await client(run, { keepAlive: KEEP_ALIVE });
  const topic = unique("hidden");
  const came = textsOf(await one.subscribe(topic, { qos: 1 }));
  let losses = 0;
  one.on("disconnected", () => losses++);
  const title = document.title;
  let [hiddenMs, since] = [0, document.visibilityState === "hidden" ? Date.now() : 0];
  const changed = (): void => {
    if (document.visibilityState === "hidden") since = Date.now();
    else if (since > 0) [hiddenMs, since] = [hiddenMs + Date.now() - since, 0];
  };
  document.addEventListener("visibilitychange", changed);
  try {
    for (;;) {
      const left = Math.ceil(hiddenSeconds - (hiddenMs + (since > 0 ? Date.now() - since : 0)) / 1_000);
      if (left <= 0) break;
      document.title = since > 0 ? `${left} s to go` : title;
      run.says(`Switch to another tab for ${left} seconds, then come back.`);
      await pause(500, signal);
    }
    run.says("You can come back now.");
    document.title = "Come back";
    await check(run, `The connection outlived ${hiddenSeconds} s in a hidden tab`, () => {
      if (losses > 0) throw new Error(`It was lost ${losses} times (and made anew)`);
    });
    await check(run, "A message still goes there and back", async () => {
      await one.publish(topic, "still here", { qos: 1 });
      await until(() => came.length === 1, "the message", run);
    });
  } finally {
    document.removeEventListener("visibilitychange", changed);
    document.title = title;
    await one.close({ timeoutMs: 500 });
  }
}

/** Cut lines. */
export const OFFLINE: Section = {
  id: "offline",
  title: "Offline and back",
  about:
    "Cuts the line of a client without a word, publishes on both sides, and joins it again: everything must arrive, each message once.",
  limits: "The line is cut inside the page; the network of the computer stays on.",
  run: offline,
};

/** Hidden tabs. */
export const HIDDEN: Section = {
  id: "hidden",
  title: "A hidden tab stays connected",
  about:
    "Browsers let the timers of hidden tabs run rarely, and a broker ends connections that fall silent. Start this part, switch to another tab, and come back when the title of the tab says so.",
  limits:
    "After five minutes some browsers let timers run once a minute only; the client asks for a Keep Alive of 90 s unless it is told otherwise, and here it is told 5 s.",
  isByHand: true,
  run: hidden,
};
