/**
 * §3.3.2.3.3 Message Expiry Interval: what a Server under audit must do.
 * @module
 */
import { acknowledgement, options, property, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { numberOf, payloadText, type Seen } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check } from "../../verdict.ts";

/** An interval of one second is over by then, also for a Server that counts whole seconds. */
const EXPIRED_MS = 2600;

/** Long enough to be counted. */
const WAIT_MS = 2100;

/** More than the buffers between two programs hold, less than a broker that is willing to wait holds. */
const UNREAD_BYTES = 9_000_000;
const LARGE_BYTES = 900_000;

/** An interval that does not run out. */
const LONG_SECONDS = 100;

/** Publishes QoS 1 to the topic of the trial; without `seconds` it does not expire. */
async function tell(t: Trial, peer: Peer, payload: string, seconds?: number, retain = false): Promise<void> {
  const properties = seconds === undefined ? [] : [property.messageExpiry(seconds)];
  await t.published(peer, { topic: t.topic(), payload, qos: 1, retain, properties });
}

/** The interval of a message that waited for these ms, give or take the second that a coarse clock may be off. */
function checkLeft(seen: Seen, least: number, most: number): void {
  const left = numberOf(seen, 0x02);
  check(left !== undefined, "It came without Message Expiry Interval");
  const [low, high] = [LONG_SECONDS - Math.ceil(most / 1000) - 1, LONG_SECONDS - Math.floor(least / 1000)];
  // A wait of two seconds may count as one, but never as none.
  const highest = least < 1000 ? high : high + 1;
  const waited = Math.round(most);
  check(
    left >= low && left <= highest,
    `${LONG_SECONDS} s were published, it waited for ${waited} ms; ${left} s came`,
  );
}

/** Fails if a message came that had expired. */
function checkOnly(found: readonly Seen[], wanted: string): void {
  const came = found.map(payloadText).join(" ");
  check(came === wanted, `${JSON.stringify(wanted)} was expected; ${JSON.stringify(came)} came`);
}

/** Cases of §3.3.2.3.3. */
export const CASES: readonly ServerCase[] = serverCases("3.3.2", {
  "message-expiry-is-passed-on": {
    statements: ["MQTT-3.3.2-6"],
    levels: [5],
    needs: ["qos 1"],
    does: "Publishes with a Message Expiry Interval of 100 s to a subscriber that is there.",
    requires: "It comes with 100 s, or one less.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const before = t.elapsedMs;
      await tell(t, await t.connect(), "x", LONG_SECONDS);
      checkLeft(await subscriber.take(), 0, t.elapsedMs - before);
    },
  },
  "expires-while-away": {
    statements: ["MQTT-3.3.2-5"],
    levels: [5],
    needs: ["qos 1"],
    timing: true,
    does: "Publishes with 1 s, with 100 s and without an interval to a subscriber that is away for 2.6 s.",
    requires: "On its return it gets the last two.",
    async run(t) {
      const { peer: subscriber } = await t.session();
      await t.subscribe(subscriber, t.topic("end"), options(0));
      await t.subscribeAt(subscriber, t.topic(), 1);
      await subscriber.leave();
      const peer = await t.connect();
      await tell(t, peer, "short", 1);
      await tell(t, peer, "long", LONG_SECONDS);
      await tell(t, peer, "endless");
      await t.wait(EXPIRED_MS);
      const again = await t.resume();
      const first = await again.take("for it had time left");
      const second = await again.take("for it had no interval");
      peer.send(t.publish({ topic: t.topic("end") }));
      checkOnly([first, second, ...await again.gather(t.topic("end"))], "long endless");
    },
  },
  "time-away-is-counted": {
    statements: ["MQTT-3.3.2-6"],
    levels: [5],
    needs: ["qos 1"],
    timing: true,
    does: "Publishes with a Message Expiry Interval of 100 s to a subscriber that is away for 2.1 s.",
    requires: "On its return the message comes with about 98 s, 99 at most.",
    async run(t) {
      const { peer: subscriber } = await t.session();
      await t.subscribeAt(subscriber, t.topic(), 1);
      await subscriber.leave();
      const before = t.elapsedMs;
      await tell(t, await t.connect(), "x", LONG_SECONDS);
      await t.wait(WAIT_MS);
      checkLeft(await (await t.resume()).take(), WAIT_MS, t.elapsedMs - before);
    },
  },
  "time-unread-is-counted": {
    statements: ["MQTT-3.3.2-6"],
    levels: [5],
    needs: ["qos 1"],
    timing: true,
    does:
      "Publishes 9 MB at QoS 1, and then a message with a Message Expiry Interval of 100 s, to a subscriber that reads nothing for " +
      "2.1 s.",
    requires: "The message comes with about 98 s, 99 at most.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribeAt(subscriber, t.topic(), 1);
      const peer = await t.connect();
      subscriber.stopReading();
      const size = Math.min(LARGE_BYTES, (t.profile.maximumPacketSize ?? Infinity) - 100);
      const count = Math.ceil(UNREAD_BYTES / size);
      for (let i = 0; i < count; i++) {
        await t.published(peer, { topic: t.topic(), payload: new Uint8Array(size), qos: 1 });
      }
      const before = t.elapsedMs;
      await tell(t, peer, "x", LONG_SECONDS);
      await t.wait(WAIT_MS);
      subscriber.readOn();
      for (let i = 0; i < count; i++) await subscriber.take();
      checkLeft(await subscriber.take(), WAIT_MS, t.elapsedMs - before);
    },
  },
  "retained-expires": {
    statements: ["MQTT-3.3.2-5"],
    levels: [5],
    needs: ["retain", "qos 1"],
    timing: true,
    does: "Publishes a retained message with an interval of 1 s and subscribes after 2.6 s.",
    requires: "It does not come.",
    async run(t) {
      await tell(t, await t.connect(), "short", 1, true);
      await t.wait(EXPIRED_MS);
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic("end"), options(0));
      await t.subscribe(subscriber, t.topic());
      subscriber.send(t.publish({ topic: t.topic("end") }));
      checkOnly(await subscriber.gather(t.topic("end")), "");
    },
  },
  "time-retained-is-counted": {
    statements: ["MQTT-3.3.2-6"],
    levels: [5],
    needs: ["retain", "qos 1"],
    timing: true,
    does: "Publishes a retained message with an interval of 100 s and subscribes after 2.1 s.",
    requires: "It comes with about 98 s, 99 at most.",
    async run(t) {
      const before = t.elapsedMs;
      await tell(t, await t.connect(), "x", LONG_SECONDS, true);
      await t.wait(WAIT_MS);
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      checkLeft(await subscriber.take(), WAIT_MS, t.elapsedMs - before);
    },
  },
  "expires-behind-receive-maximum": {
    statements: ["MQTT-3.3.2-5"],
    levels: [5],
    needs: ["qos 1"],
    timing: true,
    does:
      "Publishes three messages to a subscriber with Receive Maximum 1 that acknowledges the first one after " +
      "2.6 s; the second one has an interval of 1 s.",
    requires: "The second one does not come.",
    async run(t) {
      const subscriber = await t.connect({ properties: [property.receiveMaximum(1)] });
      await t.subscribe(subscriber, t.topic("end"), options(0));
      await t.subscribeAt(subscriber, t.topic(), 1);
      const peer = await t.connect();
      await tell(t, peer, "first");
      await tell(t, peer, "short", 1);
      await tell(t, peer, "third");
      const first = await subscriber.expect(TYPE.PUBLISH);
      await t.wait(EXPIRED_MS);
      subscriber.send(acknowledgement(TYPE.PUBACK, first.id!));
      const waited = await subscriber.barrier(); // what waited may come from now on
      for (const seen of waited) subscriber.acknowledge(seen); // else QoS 0 may be held back too (§4.9)
      peer.send(t.publish({ topic: t.topic("end") }));
      waited.push(...await subscriber.gather(t.topic("end")));
      const late = waited.find((seen) => seen.type === TYPE.PUBLISH && payloadText(seen) === "short");
      check(late === undefined, "The second message came; it had expired before it could be sent");
    },
  },
});
