/**
 * §4.7 Topic Names and Topic Filters: what a Server under audit must do.
 * @module
 */
import { options, type Part, subscribe, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** A filter that is none is not granted: a code that says so, or the end of the connection. */
async function notGranted(t: Trial, filter: Part, shown: string): Promise<void> {
  const peer = await t.connect();
  peer.send(subscribe(t.level, t.id(), [[filter, options(0)]]));
  for (;;) {
    const seen = await peer.next();
    if (seen === undefined) return fail(`The filter ${shown} was to be refused; nothing came`);
    if (seen.type === "end") return;
    if (seen.type !== TYPE.SUBACK) continue;
    if ((seen.codes?.[0] ?? 0) >= 0x80) return;
    fail(`The filter ${shown} is not valid; it was granted`);
  }
}

/** Whether the target grants a filter that it has the right to refuse. */
async function granted(t: Trial, peer: Peer, filter: string): Promise<boolean> {
  peer.send(subscribe(t.level, t.id(), [[filter, options(0)]]));
  const suback = await peer.pick(TYPE.SUBACK);
  return (suback.codes?.[0] ?? 0x80) < 0x80;
}

/** Filters below a common beginning, and what each matches of `NAMES`. */
const MATCHES: readonly (readonly [filter: string, ...names: readonly string[]])[] = [
  ["", ""],
  ["/", "/"],
  ["/#", "", "/", "/a", "/a/", "/a/b", "/a/b/c", "/b", "//a"],
  ["/+", "/", "/a", "/b"],
  ["/+/+", "/a/", "/a/b", "//a"],
  ["/+/#", "/", "/a", "/a/", "/a/b", "/a/b/c", "/b", "//a"],
  ["/a/#", "/a", "/a/", "/a/b", "/a/b/c"],
  ["/a/+/c", "/a/b/c"],
  ["/+/b", "/a/b"],
  ["//+", "//a"],
];

const NAMES: readonly string[] = ["", "/", "/a", "/a/", "/a/b", "/a/b/c", "/b", "//a", "x"];

/** Pairs of names that are alike, and not the same. */
const PAIRS: readonly (readonly [string, string])[] = [
  ["\u00e9", "e\u0301"],
  ["A", "a"],
  ["s", "s "],
  ["t", " t"],
  ["u", "/u"],
  ["v", "v/"],
  ["w/x", "w//x"],
  ["y", "\ufeffy"],
  ["\u00df", "ss"],
  ["\u00c5", "\u212b"],
];

function sorted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).sort().join(" ");
}

function namesOf(found: readonly Seen[]): string {
  return sorted(found.map(payloadText));
}

/** Cases of §4.7. */
export const CASES: readonly ServerCase[] = serverCases("4.7", {
  "multi-level-wildcard-misplaced": {
    statements: ["MQTT-4.7.1-1", "MQTT311-4.7.1-2"],
    levels: [4, 5],
    does: "Subscribes to filters with `#` in the wrong place, each on a new connection.",
    requires: "None is granted: SUBACK refuses, or the connection is closed.",
    async run(t) {
      for (const name of ["a#", "a/b#", "#/a", "a/#/b", "##", "+#"]) await notGranted(t, t.topic(name), name);
      await notGranted(t, "#/a", "#/a");
    },
  },
  "single-level-wildcard-misplaced": {
    statements: ["MQTT-4.7.1-2", "MQTT311-4.7.1-3"],
    levels: [4, 5],
    does: "Subscribes to filters with `+` in the wrong place, each on a new connection.",
    requires: "None is granted: SUBACK refuses, or the connection is closed.",
    async run(t) {
      for (const name of ["a+", "+a", "a/+b/c", "++", "+a/#"]) await notGranted(t, t.topic(name), name);
      await notGranted(t, "a+", "a+");
    },
  },
  "empty-filter": {
    statements: ["MQTT-4.7.3-1", "MQTT311-4.7.3-1"],
    levels: [4, 5],
    does: "Subscribes to an empty filter.",
    requires: "It is not granted: SUBACK refuses, or the connection is closed.",
    run: (t) => notGranted(t, "", "of no characters"),
  },
  "filter-with-null": {
    statements: ["MQTT-4.7.3-2", "MQTT311-4.7.3-2"],
    levels: [4, 5],
    does: "Subscribes to a filter with U+0000 in it.",
    requires: "The connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      const peer = await t.connect();
      peer.send(subscribe(t.level, t.id(), [[[t.topic(), 0], options(0)]]));
      await peer.refused([0x81]);
    },
  },
  "wildcards-match": {
    statements: ["MQTT-3.3.2-3", "MQTT311-3.3.2-3", "MQTT-4.5.0-1", "MQTT311-4.5.0-1"],
    levels: [4, 5],
    needs: ["wildcards"],
    does: "Subscribes to ten filters, each on a connection of its own, and publishes to nine topics.",
    requires: "Each subscriber gets the messages that its filter matches and no others.",
    async run(t) {
      const base = t.topic("m");
      const subscribers: Peer[] = [];
      for (const [filter] of MATCHES) {
        const subscriber = await t.connect();
        await t.subscribe(subscriber, t.topic("end"), options(0));
        await t.subscribe(subscriber, base + filter, options(0));
        subscribers.push(subscriber);
      }
      const peer = await t.connect();
      for (const name of NAMES) peer.send(t.publish({ topic: base + name, payload: name }));
      peer.send(t.publish({ topic: t.topic("end") }));
      for (const [i, [filter, ...names]] of MATCHES.entries()) {
        const found = await subscribers[i]!.gather(t.topic("end"));
        for (const seen of found) {
          check(
            seen.topic === base + payloadText(seen),
            `The topic ${JSON.stringify(seen.topic)} came altered`,
          );
        }
        const [came, wanted] = [namesOf(found), sorted(names)];
        check(came === wanted, `${JSON.stringify(filter)} matches ${wanted}; ${came || "nothing"} came`);
      }
    },
  },
  "wildcards-match-retained": {
    statements: ["MQTT-3.3.2-3", "MQTT311-3.3.2-3", "MQTT-3.3.1-9", "MQTT311-3.3.1-6"],
    levels: [4, 5],
    needs: ["wildcards", "retain", "qos 1"],
    does:
      "Publishes retained messages to nine topics and subscribes to ten filters, one connection for each.",
    requires: "Each subscription brings the retained messages that its filter matches and no others.",
    async run(t) {
      const base = t.topic("m");
      const peer = await t.connect();
      for (const name of NAMES) {
        await t.published(peer, { topic: base + name, payload: `${name}.`, qos: 1, retain: true });
      }
      for (const [filter, ...names] of MATCHES) {
        const subscriber = await t.connect();
        await t.subscribe(subscriber, t.topic("end"), options(0));
        await t.subscribe(subscriber, base + filter);
        const wanted = sorted(names.map((name) => `${name}.`));
        const found: Seen[] = [];
        const why = `${JSON.stringify(filter)} matches ${wanted}`;
        while (found.length < names.length) found.push(await subscriber.take(why));
        peer.send(t.publish({ topic: t.topic("end") }));
        found.push(...await subscriber.gather(t.topic("end")));
        check(namesOf(found) === wanted, `${why}; ${namesOf(found)} came`);
      }
    },
  },
  "no-normalisation": {
    statements: ["MQTT-4.7.3-4", "MQTT311-4.7.3-4"],
    levels: [4, 5],
    does:
      "Publishes to ten pairs of topics that are alike (case, Unicode forms, spaces, empty levels, U+FEFF) " +
      "and not the same, to a subscriber of the one and a subscriber of the other of each.",
    requires: "Each subscriber gets the messages on its own topics, under their own names.",
    async run(t) {
      const subscribers: Peer[] = [];
      for (const side of [0, 1] as const) {
        const subscriber = await t.connect();
        await t.subscribe(subscriber, t.topic("end"), options(0));
        for (const pair of PAIRS) {
          if (!await granted(t, subscriber, t.topic(pair[side]))) {
            throw new Finding("unsupported", `The target does not grant ${JSON.stringify(pair[side])}`);
          }
        }
        subscribers.push(subscriber);
      }
      const peer = await t.connect();
      for (const name of PAIRS.flat()) peer.send(t.publish({ topic: t.topic(name), payload: name }));
      peer.send(t.publish({ topic: t.topic("end") }));
      for (const [side, subscriber] of subscribers.entries()) {
        const found = await subscriber.gather(t.topic("end"));
        const came = sorted(found.map(({ topic }) => topic!));
        const wanted = sorted(PAIRS.map((pair) => t.topic(pair[side]!)));
        check(came === wanted, `Messages on ${wanted} were expected; ${came || "none"} came`);
      }
    },
  },
  "dollar-topics-of-server": {
    statements: ["MQTT-4.7.2-1", "MQTT311-4.7.2-1"],
    levels: [4, 5],
    needs: ["wildcards"],
    does:
      "Subscribes to `#` and `+/#`, which bring what the Server publishes under `$SYS` if it matches wrongly.",
    requires: "No topic that begins with `$` comes.",
    async run(t) {
      const subscriber = await t.connect();
      for (const filter of ["#", "+/#"]) {
        if (!await granted(t, subscriber, filter)) {
          throw new Finding("unsupported", `The target does not grant ${filter}`);
        }
      }
      await t.subscribe(subscriber, t.topic("end"), options(0));
      (await t.connect()).send(t.publish({ topic: t.topic("end") }));
      const wrong = (await subscriber.gather(t.topic("end"))).find(({ topic }) => topic!.startsWith("$"));
      check(wrong === undefined, `A message on ${JSON.stringify(wrong?.topic)} came`);
    },
  },
  "dollar-topic-of-client": {
    statements: ["MQTT-4.7.2-1", "MQTT311-4.7.2-1"],
    levels: [4, 5],
    needs: ["wildcards"],
    does: "Publishes to a topic that begins with `$`, retained where there is retain, to subscribers whose " +
      "filters begin with `+`, before and after.",
    requires: "It does not come. A Server that takes no such message from Clients has nothing to show.",
    async run(t) {
      const topic = `$${t.topic("x")}`;
      const wild = `+${topic.slice(topic.indexOf("/"))}`;
      const [before, control] = [await t.connect(), await t.connect()];
      for (const peer of [before, control]) await t.subscribe(peer, t.topic("end"), options(0));
      for (const filter of [wild, wild.replace(/x$/, "#")]) await t.subscribe(before, filter, options(0));
      await granted(t, control, topic);
      const retain = !t.profile.missing.has("retain");
      const publisher = await t.connect();
      publisher.send(t.publish({ topic, payload: "x", retain, qos: t.qos(1), id: t.id() }));
      await publisher.answers(); // it may be closed upon that
      const after = await t.connect();
      for (const filter of [t.topic("end"), wild]) await t.subscribe(after, filter, options(0));
      (await t.connect()).send(t.publish({ topic: t.topic("end") }));
      for (const peer of [before, after]) {
        const found = await peer.gather(t.topic("end"));
        check(found.length === 0, `A message on ${JSON.stringify(found[0]?.topic)} came for ${wild}`);
      }
      if ((await control.gather(t.topic("end"))).length === 0) {
        throw new Finding("unsupported", "The target does not pass on what a Client publishes to $ topics");
      }
    },
  },
});
