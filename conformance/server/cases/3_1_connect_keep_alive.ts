/**
 * §3.1.2.10 Keep Alive and §3.2.2.3.14 Server Keep Alive: what a Server under audit must do.
 * @module
 */
import { options, pingreq } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { numberOf, type Seen } from "../../wire/parse.ts";
import { hexCode, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { fail, Finding } from "../../verdict.ts";

/** Seconds: the shortest there is. */
const KEEP_ALIVE = 1;
/** A Server Keep Alive above this is not worth the wait. */
const LONGEST_SECONDS = 10;
/** How much later than one and a half times the Keep Alive a Server may be: many look around every few seconds only. */
const LATE_MS = 7000;

/** The Keep Alive that holds, in seconds. */
function keepAliveOf(connack: Seen): number {
  const seconds = numberOf(connack, 0x13) ?? KEEP_ALIVE;
  if (seconds === 0 || seconds > LONGEST_SECONDS) {
    throw new Finding("unsupported", `Server Keep Alive is ${seconds} s: too long to wait for`);
  }
  return seconds;
}

/** Waits for the end that silence must bring; 0x8D may go first. */
async function ends(peer: Peer, seconds: number): Promise<void> {
  const within = seconds * 1500 + LATE_MS;
  for (;;) {
    const seen = await peer.next(within);
    if (seen === undefined) {
      peer.ending = "hang";
      fail(`Keep Alive is ${seconds} s; the connection stayed open for ${within} ms without a packet`);
    }
    if (seen.type === "end") return;
    if (seen.code !== undefined && seen.code !== 0x8d) {
      throw new Finding("lenient", `DISCONNECT has ${hexCode(seen.code)}, 0x8D is named`);
    }
  }
}

async function silent(t: Trial, will?: string): Promise<{ readonly peer: Peer; readonly seconds: number }> {
  const { peer, connack } = await t.connectAnd({
    keepAlive: KEEP_ALIVE,
    ...(will !== undefined && { will: { topic: will, payload: "gone" } }),
  });
  return { peer, seconds: keepAliveOf(connack) };
}

/** Cases of §3.1.2.10. */
export const CASES: readonly ServerCase[] = serverCases("3.1.2", {
  "silence-ends-the-connection": {
    statements: ["MQTT-3.1.2-22", "MQTT-3.2.2-22", "MQTT311-3.1.2-24"],
    levels: [4, 5],
    timing: true,
    does: `Connects with a Keep Alive of ${KEEP_ALIVE} s and sends nothing more.`,
    requires:
      "The connection is closed after one and a half times the Keep Alive, or that of the Server{5|; 0x8D may say why}.",
    async run(t) {
      const { peer, seconds } = await silent(t);
      await ends(peer, seconds);
    },
  },
  "silence-after-packets-ends-the-connection": {
    statements: ["MQTT-3.1.2-22", "MQTT-3.2.2-22", "MQTT311-3.1.2-24"],
    levels: [4, 5],
    timing: true,
    does:
      `Connects with a Keep Alive of ${KEEP_ALIVE} s, sends PINGREQ often enough for three times that long, then nothing.`,
    requires: "The connection stays while packets come, and is closed when they end.",
    async run(t) {
      const { peer, seconds } = await silent(t);
      for (let i = 0; i < 5; i++) {
        await t.wait(seconds * 600);
        await peer.barrier();
      }
      await ends(peer, seconds);
    },
  },
  "silence-while-receiving-ends-the-connection": {
    statements: ["MQTT-3.1.2-22", "MQTT-3.2.2-22", "MQTT311-3.1.2-24"],
    levels: [4, 5],
    timing: true,
    does:
      `Connects with a Keep Alive of ${KEEP_ALIVE} s, subscribes and sends nothing, while messages keep coming.`,
    requires: "The connection is closed: what the Server sends does not count.",
    async run(t) {
      const { peer, seconds } = await silent(t);
      await t.subscribe(peer, t.topic(), options(0));
      const publisher = await t.connect();
      const until = t.elapsedMs + seconds * 1500 + LATE_MS;
      while (t.elapsedMs < until) {
        publisher.send(t.publish({ topic: t.topic() }), pingreq());
        const seen = await peer.next(300);
        if (seen?.type === "end") return;
        await t.wait(200);
      }
      fail(`Keep Alive is ${seconds} s; the connection stayed open for ${seconds * 1500 + LATE_MS} ms`);
    },
  },
  "silence-brings-the-will": {
    statements: ["MQTT-3.1.2-22", "MQTT-3.1.2-8", "MQTT311-3.1.2-24", "MQTT311-3.1.2-8"],
    levels: [4, 5],
    timing: true,
    does: `Connects with a will and a Keep Alive of ${KEEP_ALIVE} s and sends nothing more.`,
    requires: "The connection is treated as lost: the will is published.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic("will"), options(0));
      const { peer, seconds } = await silent(t, t.topic("will"));
      await ends(peer, seconds);
      await subscriber.expectPublish("for the Client is lost");
    },
  },
});
