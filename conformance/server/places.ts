/**
 * §2.2.2 The packets of a Client that have properties, each sent where it belongs, with whatever properties a case gives.
 * Knows how to come to the point where each may be sent; refuses to know which properties are wrong.
 * @module
 */
import { acknowledgement, type Properties, subscribe, TYPE, unsubscribe } from "../wire/bytes.ts";
import type { Capability } from "../capability.ts";
import type { Peer } from "../wire/peer.ts";
import type { Trial } from "./trial.ts";

/** One packet with properties. */
export interface Place {
  /** In the words of a sentence. */
  readonly name: string;
  readonly needs: readonly Capability[];
  /** The properties that it may have (§2.2.2.2). */
  readonly allowed: readonly number[];
  /** Sends it; what comes of it is for the caller to see. Level 5. */
  send(t: Trial, all: Properties): Promise<Peer>;
}

/** Properties of a message, and so of a will too. */
const MESSAGE: readonly number[] = [0x01, 0x02, 0x03, 0x08, 0x09, 0x26];
const REASON: readonly number[] = [0x1f, 0x26];

/** The name of a place. */
export type PlaceName =
  | "connect"
  | "will"
  | "publish"
  | "puback"
  | "pubrec"
  | "pubrel"
  | "pubcomp"
  | "subscribe"
  | "unsubscribe";

/** The places by name, but for DISCONNECT and AUTH: the one ends the connection anyway, the other needs a method. */
export const PLACES: Readonly<Record<PlaceName, Place>> = {
  "connect": {
    name: "a CONNECT",
    needs: [],
    allowed: [0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
    async send(t, all) {
      const peer = await t.open();
      peer.send(t.connectBytes({ properties: all }));
      return peer;
    },
  },
  "will": {
    name: "the Will Properties of a CONNECT",
    needs: [],
    allowed: [...MESSAGE, 0x18],
    async send(t, all) {
      const peer = await t.open();
      peer.send(t.connectBytes({ will: { topic: t.topic("will"), properties: all } }));
      return peer;
    },
  },
  "publish": {
    name: "a PUBLISH",
    needs: [],
    // A Subscription Identifier is for the Server alone: that is a rule of §3.3.4.
    allowed: [...MESSAGE, 0x0b, 0x23],
    async send(t, all) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: t.topic(), properties: all }));
      return peer;
    },
  },
  "puback": {
    name: "a PUBACK",
    needs: ["qos 1"],
    allowed: REASON,
    send: (t, all) => acknowledge(t, 1, TYPE.PUBACK, all),
  },
  "pubrec": {
    name: "a PUBREC",
    needs: ["qos 2"],
    allowed: REASON,
    send: (t, all) => acknowledge(t, 2, TYPE.PUBREC, all),
  },
  "pubrel": {
    name: "a PUBREL",
    needs: ["qos 2"],
    allowed: REASON,
    async send(t, all) {
      const peer = await t.connect();
      const id = t.id();
      peer.send(t.publish({ topic: t.topic(), qos: 2, id }));
      await peer.expect(TYPE.PUBREC);
      peer.send(acknowledgement(TYPE.PUBREL, id, 0, all));
      return peer;
    },
  },
  "pubcomp": {
    name: "a PUBCOMP",
    needs: ["qos 2"],
    allowed: REASON,
    async send(t, all) {
      const { peer, id } = await t.delivery(2);
      peer.send(acknowledgement(TYPE.PUBREC, id));
      await peer.expect(TYPE.PUBREL);
      peer.send(acknowledgement(TYPE.PUBCOMP, id, 0, all));
      return peer;
    },
  },
  "subscribe": {
    name: "a SUBSCRIBE",
    needs: [],
    allowed: [0x0b, 0x26],
    async send(t, all) {
      const peer = await t.connect();
      peer.send(subscribe(5, t.id(), [[t.topic(), 0]], all));
      return peer;
    },
  },
  "unsubscribe": {
    name: "an UNSUBSCRIBE",
    needs: [],
    allowed: [0x26],
    async send(t, all) {
      const peer = await t.connect();
      peer.send(unsubscribe(5, t.id(), [t.topic()], all));
      return peer;
    },
  },
};

/** The places as pairs of name and place. */
export function places(): [PlaceName, Place][] {
  return Object.entries(PLACES) as [PlaceName, Place][];
}

async function acknowledge(t: Trial, qos: 1 | 2, type: 4 | 5, all: Properties): Promise<Peer> {
  const { peer, id } = await t.delivery(qos);
  peer.send(acknowledgement(type, id, 0, all));
  return peer;
}
