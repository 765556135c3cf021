/**
 * What lives in the browser itself: a broker in a worker, and messages in IndexedDB that outlive their page.
 * Knows workers and frames; refuses to know brokers and databases.
 * @module
 */
import { connectBy, type Dialer } from "../../../src/client_api/browser.ts";
import { browserLoop } from "../../../src/client_api/browser_loop.ts";
import { dialWebSocket } from "../../../src/client_api/web_socket.ts";
import { openClientStore } from "../../../src/client_store/indexed_db.ts";
import { messagePortTransport, type PortLike } from "../../../src/runtime/in_process.ts";
import { byId, el, type MessageOf, until, world } from "../page/dom.ts";
import { PageBroker } from "../page/page_broker.ts";
import { check, NotRun, type Run, type Section } from "../section.ts";
import { client, Line, textsOf, unique } from "./lines.ts";

async function inWorker(run: Run): Promise<void> {
  run.planned(5);
  const broker = new PageBroker();
  const own = { ...run, reach: { url: "ws://worker/mqtt", dial: broker.dial, isWebSocket: false } };
  try {
    const one = await client(own, { clientId: "one", will: { topic: "gone", payload: "one" } });
    const other = await client(own, { clientId: "other", level: 4 });
    await check(
      run,
      "Two clients connect to the broker in the worker, one by MQTT 5.0 and one by 3.1.1",
      async () => {
        const { connections } = await broker.stats();
        if (connections !== 2) throw new Error(`It counts ${connections} connections`);
      },
    );
    const gone = textsOf(await other.subscribe("gone"));
    const came = textsOf(await other.subscribe("home/#", { qos: 2 }));
    await check(run, "1,000 messages of each Quality of Service arrive", async () => {
      for (const qos of [0, 1, 2] as const) {
        await Promise.all(
          Array.from({ length: 1_000 }, (_, i) => one.publish("home/x", `${qos} ${i}`, { qos })),
        );
      }
      await until(() => came.length === 3_000, "3,000 messages", run);
    });
    await check(run, "They arrive in order", () => {
      for (const qos of [0, 1, 2]) {
        const own = came.filter((text) => text.startsWith(`${qos} `)).map((text) => Number(text.slice(2)));
        if (own.some((n, i) => n !== i)) throw new Error(`Quality of Service ${qos} came out of order`);
      }
    });
    await check(run, "A retained message is there for a client that comes later", async () => {
      await one.publish("kept", "still here", { qos: 1, retain: true });
      const late = await client(own, {});
      const kept = textsOf(await late.subscribe("kept"));
      await until(() => kept[0] === "still here", "the retained message", run);
      await late.close();
    });
    await check(run, "The last will of a client that goes without a word is published", async () => {
      await one.close({ withWill: true });
      await until(() => gone[0] === "one", "the will", run);
    });
    await other.close();
  } finally {
    broker.terminate();
  }
}

/** What the page tells its frame. */
interface ToFrame {
  readonly what: "publish" | "deliver";
  readonly name: string;
  readonly topic: string;
  readonly url: string;
  readonly isWebSocket: boolean;
}

/** ms: a store that was not closed is free when its page is gone. */
const FREE_MS = 10_000;

async function reload(run: Run): Promise<void> {
  if (!("indexedDB" in globalThis)) throw new NotRun("This browser has no IndexedDB here");
  run.planned(3);
  const { reach, signal } = run;
  const [topic, name] = [unique("reload"), unique("store").replaceAll("/", "-")];
  const reader = await client(run, {});
  const frame = el("iframe", {
    src: `${world.location.pathname}#frame`,
    hidden: "",
    title: "The page that is reloaded",
  });
  const relay = ({ data, ports }: MessageOf): void => {
    if ((data as { port?: true }).port) reach.give?.(ports[0]);
  };
  world.addEventListener("message", relay);
  try {
    const came = textsOf(await reader.subscribe(topic, { qos: 2 }));
    const ask = async (what: ToFrame["what"]): Promise<void> => {
      const answer = nextAnswer(signal);
      const message: ToFrame = { what, name, topic, url: reach.url, isWebSocket: reach.isWebSocket };
      frame.contentWindow!.postMessage(message, world.location.origin);
      const { error } = await answer;
      if (error !== undefined) throw new Error(error);
    };
    const loaded = nextAnswer(signal);
    byId("frames").append(frame);
    await loaded;
    await check(
      run,
      "A page inside this page publishes while it is offline: it is in IndexedDB",
      () => ask("publish"),
    );
    const again = nextAnswer(signal);
    frame.contentWindow!.location.reload();
    await again;
    await check(run, "The page is loaded anew, and opens its store again", () => ask("deliver"));
    await check(run, "Its messages arrive, each once and in order", async () => {
      await until(() => came.length >= 2, `2 messages; there are ${came.length}`, run);
      const texts = came.join(", ");
      if (texts !== "from before 1, from before 2") throw new Error(`${texts} came`);
    });
  } finally {
    world.removeEventListener("message", relay);
    frame.remove();
    await reader.close({ timeoutMs: 500 });
    indexedDB.deleteDatabase(`plumb:${name}`);
  }
}

const { indexedDB } = globalThis as unknown as {
  readonly indexedDB: { deleteDatabase(name: string): unknown };
};

/** The next word of the frame. */
function nextAnswer(signal: AbortSignal): Promise<{ readonly error?: string }> {
  return new Promise((resolve, reject) => {
    const hear = ({ data }: MessageOf): void => {
      const said = data as { readonly frame?: true; readonly error?: string };
      if (said.frame !== true) return;
      world.removeEventListener("message", hear);
      clearTimeout(timer);
      resolve(said);
    };
    const timer = setTimeout(() => reject(new Error("The page inside does not answer")), 30_000);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    world.addEventListener("message", hear);
  });
}

/** The program in the frame. */
export function beginFrame(): void {
  const say = (error?: unknown): void => {
    const words = error === undefined
      ? {}
      : { error: error instanceof Error ? error.message : String(error) };
    world.parent.postMessage({ frame: true, ...words }, world.location.origin);
  };
  world.addEventListener("message", ({ data }) => {
    const asked = data as ToFrame;
    if (asked.what === "publish" || asked.what === "deliver") framed(asked).then(() => say(), say);
  });
  say();
}

const { MessageChannel } = globalThis as unknown as {
  readonly MessageChannel: new () => Record<"port1" | "port2", PortLike>;
};

/** By a port that the page around hands to its broker. */
const dialParent: Dialer = () => {
  const { port1, port2 } = new MessageChannel();
  world.parent.postMessage({ port: true }, world.location.origin, [port1]);
  return Promise.resolve(messagePortTransport(port2));
};

async function framed({ what, name, topic, url, isWebSocket }: ToFrame): Promise<void> {
  const line = new Line(isWebSocket ? dialWebSocket : dialParent);
  const store = await openClientStore(name, { signal: AbortSignal.timeout(FREE_MS) });
  let commits = 0;
  const own = await connectBy(line.dial, url, {
    clientId: name,
    loop: browserLoop(),
    cleanStart: false,
    sessionExpiry: 120,
    store: {
      load: () => store.load(),
      put: (key, record) => store.put(key, record),
      delete: (key) => store.delete(key),
      commit: async () => {
        await store.commit();
        commits++;
      },
    },
  });
  if (what === "publish") {
    line.cut();
    const before = commits;
    void own.publish(topic, "from before 1", { qos: 1 }).catch(() => {});
    void own.publish(topic, "from before 2", { qos: 1 }).catch(() => {});
    await until(() => commits > before, "a commit"); // and the page ends without a word
  } else {
    await until(() => own.status === "connected", "the connection");
    await own.close({ sessionExpiry: 0 });
    store.close();
  }
}

/** A broker in a worker. */
export const WORKER: Section = {
  id: "worker",
  title: "A broker in this browser",
  about:
    "Starts a whole MQTT broker in a worker of this page, and two clients that talk through it. No server takes part.",
  run: inWorker,
};

/** A store that outlives its page. */
export const RELOAD: Section = {
  id: "reload",
  title: "Messages survive a reload",
  about:
    "A page inside this page publishes while its line is cut, and is reloaded before anything was sent. Its messages are in the browser's IndexedDB, and must arrive from there.",
  limits: "The browser itself is not killed.",
  run: reload,
};
