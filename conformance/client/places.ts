/**
 * The packets of a Server, each on an occasion on which a Client has reason to expect it: for what may be wrong with any.
 * Knows occasions and layouts; refuses to know what is wrong.
 * @module
 */
import {
  acknowledgement,
  type Level,
  packet,
  type Part,
  properties,
  property,
  TYPE,
  u16,
} from "../wire/bytes.ts";
import type { RuleId } from "../case.ts";
import type { ClientTrial } from "./trial.ts";
import type { Peer } from "../wire/peer.ts";
import { check } from "../verdict.ts";

/** What may be different from what it should be. */
export interface Wrong {
  readonly flags?: number;
  /** Beside the properties that it must have. */
  readonly properties?: readonly Part[];
  readonly code?: number;
  /** Bytes behind the last field. */
  readonly behind?: Part;
}

/** A Client that expects the packet, and the packet. */
export interface Occasion {
  readonly peer: Peer;
  make(wrong?: Wrong): Uint8Array;
}

/** One packet type. */
export interface ClientPlace {
  readonly name: string;
  readonly type: number;
  readonly levels: readonly Level[];
  /** What says that its Reason String stands once; undefined if it has none. */
  readonly twice?: RuleId;
  /** A code that it may not have; undefined if it has no codes. */
  readonly wrongCode?: number;
  /** A property of another packet; undefined if it has no properties. */
  readonly stray?: Part;
  occasion(t: ClientTrial): Promise<Occasion>;
}

const METHOD = "PLUMB-AUDIT";

/** A maker for packets that begin with an identifier. */
function withId(t: ClientTrial, peer: Peer, type: number, id: number): Occasion {
  const flags = type === TYPE.PUBREL ? 2 : 0;
  return {
    peer,
    make({ flags: nibble = flags, properties: all = [], code = 0, behind = [] } = {}) {
      const tail = t.level === 5 ? [code, properties(...all)] : [];
      return packet(type, nibble, u16(id), tail, behind);
    },
  };
}

/** A Client with an open message of that QoS. */
async function publisher(t: ClientTrial, qos: 1 | 2): Promise<{ readonly peer: Peer; readonly id: number }> {
  await t.start({ publish: [t.message("open", qos)] });
  const { peer } = await t.acceptConnect();
  const { id = 0 } = await t.brought(peer, TYPE.PUBLISH, (seen) => seen.qos === qos);
  return { peer, id };
}

const CLIENT_ONLY = property.receiveMaximum(9);

/** All of them. */
export const CLIENT_PLACES: readonly ClientPlace[] = [
  {
    name: "connack",
    type: TYPE.CONNACK,
    levels: [4, 5],
    twice: "3.2.2.3.9/twice",
    wrongCode: 0x01,
    stray: property.contentType("text"),
    async occasion(t) {
      await t.start();
      const { peer } = await t.acceptUnanswered();
      return {
        peer,
        make: ({ flags = 0, properties: all = [], code = 0, behind = [] } = {}) =>
          packet(TYPE.CONNACK, flags, 0, code, t.level === 5 ? properties(...all) : [], behind),
      };
    },
  },
  {
    name: "puback",
    type: TYPE.PUBACK,
    levels: [4, 5],
    twice: "3.4.2.2.2/twice",
    wrongCode: 0x01,
    stray: CLIENT_ONLY,
    async occasion(t) {
      const { peer, id } = await publisher(t, 1);
      return withId(t, peer, TYPE.PUBACK, id);
    },
  },
  {
    name: "pubrec",
    type: TYPE.PUBREC,
    levels: [4, 5],
    twice: "3.5.2.2.2/twice",
    wrongCode: 0x01,
    stray: CLIENT_ONLY,
    async occasion(t) {
      const { peer, id } = await publisher(t, 2);
      return withId(t, peer, TYPE.PUBREC, id);
    },
  },
  {
    name: "pubrel",
    type: TYPE.PUBREL,
    levels: [4, 5],
    twice: "3.6.2.2.2/twice",
    wrongCode: 0x10,
    stray: CLIENT_ONLY,
    async occasion(t) {
      const peer = await t.subscribed();
      peer.send(t.publish({ topic: t.topic(), payload: "two", qos: 2, id: 12 }));
      await t.owed(peer, TYPE.PUBREC, "for a message of QoS 2 was sent");
      return withId(t, peer, TYPE.PUBREL, 12);
    },
  },
  {
    name: "pubcomp",
    type: TYPE.PUBCOMP,
    levels: [4, 5],
    twice: "3.7.2.2.2/twice",
    wrongCode: 0x10,
    stray: CLIENT_ONLY,
    async occasion(t) {
      const { peer, id } = await publisher(t, 2);
      peer.send(acknowledgement(TYPE.PUBREC, id));
      await t.owed(peer, TYPE.PUBREL, "for its PUBREC was sent");
      return withId(t, peer, TYPE.PUBCOMP, id);
    },
  },
  {
    name: "suback",
    type: TYPE.SUBACK,
    levels: [4, 5],
    twice: "3.9.2.1.2/twice",
    wrongCode: 0x03,
    stray: CLIENT_ONLY,
    async occasion(t) {
      await t.start({ subscribe: [{ filter: t.topic(), qos: 1 }] });
      const { peer } = await t.acceptConnect();
      const { id = 0 } = await t.brought(peer, TYPE.SUBSCRIBE);
      return {
        peer,
        make: ({ flags = 0, properties: all = [], code = 1, behind = [] } = {}) =>
          packet(TYPE.SUBACK, flags, u16(id), t.level === 5 ? properties(...all) : [], code, behind),
      };
    },
  },
  {
    name: "unsuback",
    type: TYPE.UNSUBACK,
    levels: [4, 5],
    twice: "3.11.2.1.2/twice",
    wrongCode: 0x01,
    stray: CLIENT_ONLY,
    async occasion(t) {
      await t.start({ subscribe: [{ filter: t.topic(), qos: 1 }], unsubscribe: [t.topic()] });
      const { peer } = await t.acceptConnect();
      const { id = 0 } = await t.brought(peer, TYPE.UNSUBSCRIBE);
      return {
        peer,
        make: ({ flags = 0, properties: all = [], code = 0, behind = [] } = {}) =>
          packet(TYPE.UNSUBACK, flags, u16(id), t.level === 5 ? [properties(...all), code] : [], behind),
      };
    },
  },
  {
    name: "pingresp",
    type: TYPE.PINGRESP,
    levels: [4, 5],
    async occasion(t) {
      return {
        peer: await t.subscribed(),
        make: ({ flags = 0, behind = [] } = {}) => packet(TYPE.PINGRESP, flags, behind),
      };
    },
  },
  {
    name: "auth",
    type: TYPE.AUTH,
    levels: [5],
    twice: "3.15.2.2.4/twice",
    wrongCode: 0x01,
    stray: CLIENT_ONLY,
    async occasion(t) {
      await t.start({ authenticationMethod: METHOD, authenticationData: "hello" });
      const { peer, connect } = await t.acceptUnanswered();
      check(connect.faults.length === 0, `CONNECT is malformed: ${connect.faults.join(", ")}`);
      return {
        peer,
        make({ flags = 0, properties: all = [], code = 0x18, behind = [] } = {}) {
          const own = [property.authenticationMethod(METHOD), property.authenticationData("and?")];
          return packet(TYPE.AUTH, flags, code, properties(...own, ...all), behind);
        },
      };
    },
  },
];
