/**
 * §3.9 SUBACK: what a Server under audit must do.
 * @module
 */
import { options, subscribe, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { type Seen, strayProperties } from "../../wire/parse.ts";
import { hexCode, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check } from "../../verdict.ts";

/** §3.9.3 of both versions. */
const CODES = {
  4: [0x00, 0x01, 0x02, 0x80],
  5: [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
} as const;

/** Filters that a Server grants, and such as it may or must refuse; the SUBACK packets that came. */
async function provoke(t: Trial, peer: Peer): Promise<Seen[]> {
  const found: Seen[] = [];
  const good = [t.topic("a"), t.topic("b")];
  const doubtful = ["$SYS/#", `$share/g/${t.topic()}`, t.topic("+/a")];
  const bad = [t.topic("a#"), t.topic("#/a"), t.topic("a+")];
  const deep = [t.topic("x/".repeat(300))];
  for (const filters of [good, doubtful, bad, deep]) {
    peer.send(subscribe(t.level, t.id(), filters.map((filter, at) => [filter, options(at % 3)])));
    for (;;) {
      const seen = await peer.next();
      if (seen === undefined || seen.type === "end") return found; // it may end the connection on a bad one
      if (seen.type !== TYPE.SUBACK) continue; // what $SYS retains
      found.push(seen);
      break;
    }
  }
  return found;
}

/** Cases of §3.9. */
export const CASES: readonly ServerCase[] = serverCases("3.9", {
  "one-code-for-each-filter": {
    statements: ["MQTT-3.8.4-6", "MQTT311-3.8.4-5"],
    levels: [4, 5],
    does: "Subscribes to one, two and seven filters, the same one among them twice.",
    requires: "Each SUBACK has as many codes as its SUBSCRIBE has filters.",
    async run(t) {
      const peer = await t.connect();
      for (const count of [1, 2, 7]) {
        const filters = Array.from({ length: count }, (_, at) => [t.topic(`${at % 6}`), 0] as const);
        peer.send(subscribe(t.level, t.id(), filters));
        const { codes } = await peer.expect(TYPE.SUBACK);
        check(codes!.length === count, `SUBACK has ${codes!.length} codes for ${count} filters`);
      }
    },
  },
  "codes-in-order": {
    statements: ["MQTT-3.9.3-1", "MQTT311-3.9.3-1"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Subscribes to five filters at QoS 0, 0, 1, 2, 2.",
    requires:
      "No code grants more than was asked for the filter at its place; messages come at what it grants.",
    async run(t) {
      const peer = await t.connect();
      const asked = [0, 0, 1, 2, 2];
      peer.send(subscribe(t.level, 1, asked.map((qos, at) => [t.topic(String(at)), options(qos)])));
      const { codes } = await peer.expect(TYPE.SUBACK);
      const publisher = await t.connect();
      for (const [at, qos] of asked.entries()) {
        const granted = codes![at]!;
        if (granted >= 0x80) continue;
        check(granted <= qos, `Code ${at + 1} is QoS ${granted}, QoS ${qos} was asked for there`);
        await t.published(publisher, { topic: t.topic(String(at)), payload: String(at), qos: t.qos(2) });
        const seen = await peer.take();
        const wanted = Math.min(granted, t.qos(2));
        check(seen.qos === wanted, `Code ${at + 1} is QoS ${granted}, the message came at QoS ${seen.qos}`);
      }
    },
  },
  "known-codes": {
    statements: ["MQTT-3.9.3-2", "MQTT-3.8.4-7", "3.9.2.1.2/twice", "MQTT311-3.9.3-2", "MQTT311-3.8.4-5"],
    levels: [4, 5],
    does: "Subscribes to good filters, to such as a Server may refuse, and to bad ones.",
    requires:
      "Each code of a SUBACK is a granted QoS or one of the failures that the version has{5|; SUBACK has " +
      "no property but User Properties and one Reason String}.",
    async run(t) {
      for (const seen of await provoke(t, await t.connect())) {
        const faults = [...seen.faults, ...strayProperties(seen, [0x1f, 0x26])];
        check(faults.length === 0, `SUBACK is not well formed: ${faults.join(", ")}`);
        for (const code of seen.codes!) {
          const known: readonly number[] = CODES[t.level];
          check(known.includes(code), `SUBACK has ${hexCode(code)}, which is not among its codes`);
        }
      }
    },
  },
  "within-maximum-packet-size": {
    statements: ["MQTT-3.9.2-1", "MQTT-3.9.2-2"],
    levels: [5],
    does:
      "Subscribes to good filters, to such as a Server may refuse, and to bad ones. Its Maximum Packet Size has " +
      "no room for a Reason String.",
    requires: "No SUBACK is larger than the Maximum Packet Size.",
    async run(t) {
      const { peer, size } = await t.narrow();
      for (const { raw } of await provoke(t, peer)) {
        check(raw.length <= size, `SUBACK of ${raw.length} bytes, ${size} are allowed`);
      }
    },
  },
});
