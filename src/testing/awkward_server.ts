/**
 * A Server that does whatever the standard lets it do, by chance, and looks at each packet of its Client.
 * Knows one session, and the rules that a Client has to keep; refuses to know the Client's engine.
 *
 * Payloads are texts that begin with a serial number: with them a message is known however often it comes.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { decodePacket } from "../codec/decode.ts";
import { Deframer } from "../codec/deframer.ts";
import { encodePacket } from "../codec/encode.ts";
import type { ConnackProperties, Connect, Packet, ProtocolLevel, Publish, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { Random } from "../engine/random.ts";
import type { Transport } from "../transport/transport.ts";

/** A message that a Server or a Client has sent. */
export interface SentMessage {
  readonly text: string;
  readonly qos: QoS;
}

/** A message of QoS 1 or 2 of the Client, whose exchange has begun. */
interface Coming extends SentMessage {
  /** PUBREL has come: its PUBLISH may not be sent again. */
  isReleased: boolean;
  /** PUBACK, PUBCOMP, or a refusal has been sent. */
  isOver: boolean;
  /** It was not refused. */
  readonly isTaken: boolean;
}

/** One to the Client. */
interface Going extends SentMessage {
  readonly topic: string;
  /** PUBREC has come. */
  isReleased: boolean;
}

/** One Network Connection. */
interface Line {
  readonly transport: Transport;
  /** Bytes that the transport has not taken, and whether it is to be closed behind them. */
  out: Uint8Array;
  isEnding: boolean;
  level: ProtocolLevel;
  /** What is owed, each in its order: to CONNECT, PUBLISH of QoS 1 and 2, PUBREL, and all else. */
  readonly owed: {
    connack: Packet[];
    puback: Packet[];
    pubrec: Packet[];
    pubcomp: Packet[];
    other: Packet[];
  };
  connect: Connect | undefined;
  isOpen: boolean;
  isOver: boolean;
  /** Nothing may come any more. */
  hasLeft: boolean;
  isResumed: boolean;
  receiveMaximum: number;
  aliasesMax: number;
  packetMax: number;
  readonly topics: Map<number, string>;
  /** Identifiers of PUBLISH, and of SUBSCRIBE and UNSUBSCRIBE, that came on it and are not answered. */
  readonly inFlight: Set<number>;
  readonly asked: Set<number>;
  /** The last serial number that came, at QoS 0, and above. */
  readonly last: [number, number];
  /** PUBACK and PUBREC that are to come, in this order. */
  readonly awaited: [number[], number[]];
  readonly pubcomps: number[];
}

const REFUSALS = [0x80, 0x83, 0x87, 0x97, 0x99];

/** One Server with one Client. */
export class AwkwardServer {
  /** Messages of the Client that it has accepted, in order. */
  readonly taken: SentMessage[] = [];
  /** Messages of its own. */
  readonly sent: SentMessage[] = [];
  /** Sessions that it has lost, messages, connections and subscriptions that it has refused. */
  readonly counts = { lost: 0, refused: 0, connections: 0, unsubscribed: 0 };
  /** Nothing is refused, and nothing ended, any more. */
  isKind = false;
  readonly #random: Random;
  /** The same for all connections: a QoS 2 message that has become too large could not be ended. */
  readonly #packetMax: number;
  #line: Line | undefined;
  #isThere = false;
  readonly #coming: Map<number, Coming> = new Map();
  /** Not sent, and sent, in order. */
  #waiting: Going[] = [];
  readonly #going: Map<number, Going> = new Map();
  readonly #filters: Map<string, QoS> = new Map();
  #nextId = 1;

  constructor(random: Random) {
    this.#random = random;
    this.#packetMax = this.#chance(2) ? 150 : Infinity;
  }

  #below(bound: number): number {
    return this.#random() % bound;
  }

  #chance(oneIn: number): boolean {
    return this.#below(oneIn) === 0;
  }

  // Its owner.

  /** The Server's end of a new connection, which ends the one before [MQTT-3.1.4-3]. */
  accept(transport: Transport): void {
    this.#line?.transport.abort();
    const line: Line = {
      transport,
      out: new Uint8Array(),
      isEnding: false,
      level: 5,
      owed: { connack: [], puback: [], pubrec: [], pubcomp: [], other: [] },
      connect: undefined,
      isOpen: false,
      isOver: false,
      hasLeft: false,
      isResumed: false,
      receiveMaximum: 65_535,
      aliasesMax: 0,
      packetMax: Infinity,
      topics: new Map(),
      inFlight: new Set(),
      asked: new Set(),
      last: [-1, -1],
      awaited: [[], []],
      pubcomps: [],
    };
    this.#line = line;
    const deframer = new Deframer(Infinity);
    transport.start({
      received: (chunk) =>
        deframer.receive(chunk, {
          frame: (bytes, at, _body, end) => {
            if (line.isOver) return true;
            assert(!line.hasLeft, "a packet behind DISCONNECT [MQTT-3.14.4-2]");
            const packet = decodePacket(bytes.slice(at, end), line.level);
            assert(end - at <= line.packetMax, "a packet above the Maximum Packet Size [MQTT-3.2.2-15]");
            this.#take(line, packet);
            return true;
          },
        }),
      drained: () => this.#flush(line),
      closed: () => line.isOver = true,
    });
  }

  /** Sends a message to the Client, when it can. */
  publish(text: string, qos: QoS): void {
    const topic = "t/server";
    const granted = this.#filters.get("t/#");
    if (granted === undefined) return;
    const going: Going = { text, qos: Math.min(qos, granted) as QoS, topic, isReleased: false };
    if (going.qos === 0 && this.#line?.isOpen !== true) return;
    this.sent.push(going);
    this.#waiting.push(going);
  }

  /** It crashes, and comes back without the session. */
  loseSession(): void {
    this.counts.lost++;
    this.#forget();
    this.#line?.transport.abort();
  }

  #forget(): void {
    this.#isThere = false;
    this.#coming.clear();
    this.#going.clear();
    this.#waiting = [];
    this.#filters.clear();
  }

  /** Does one of the things that it could do; false if there are none. */
  act(): boolean {
    const line = this.#line;
    if (line === undefined || line.isOver) return false;
    if (line.owed.connack.length > 0) return this.#accepts(line);
    if (!line.isOpen) return false;
    if (!this.isKind && this.#chance(200)) return this.#leave(line);
    const { puback, pubrec, pubcomp, other } = line.owed;
    const ways = [puback, pubrec, pubcomp, other].filter((owed) => owed.length > 0);
    const next = this.#waiting[0];
    const hasRoom = next !== undefined &&
      (next.qos === 0 || this.#going.size < this.#quota(line));
    const way = this.#below(ways.length + (hasRoom ? 1 : 0));
    if (way < ways.length) this.#send(line, ways[way]!.shift()!);
    else if (hasRoom) this.#deliver(line, this.#waiting.shift()!);
    else return false;
    return true;
  }

  #quota({ connect, level }: Line): number {
    return level === 5 ? connect!.properties?.receiveMaximum ?? 65_535 : 10;
  }

  // Out.

  #send(line: Line, packet: Packet): void {
    if (packet.type === PacketType.PUBACK || packet.type === PacketType.PUBCOMP) {
      this.#over(line, packet.packetId);
    }
    if (packet.type === PacketType.PUBREC && packet.reasonCode >= 0x80) this.#over(line, packet.packetId);
    if (packet.type === PacketType.PUBREL) line.pubcomps.push(packet.packetId);
    if (packet.type === PacketType.SUBACK || packet.type === PacketType.UNSUBACK) {
      line.asked.delete(packet.packetId);
    }
    const frame = encodePacket(packet, line.level);
    const out = new Uint8Array(line.out.length + frame.length);
    out.set(line.out);
    out.set(frame, line.out.length);
    line.out = out;
    this.#flush(line);
  }

  #flush(line: Line): void {
    line.out = line.out.subarray(line.transport.write(line.out));
    if (line.isEnding && line.out.length === 0) line.transport.close();
  }

  /** Says nothing more, and listens to nothing. */
  #end(line: Line): void {
    line.isOver = line.isEnding = true;
    this.#flush(line);
  }

  #over(line: Line, id: number): void {
    line.inFlight.delete(id);
    const coming = this.#coming.get(id);
    if (coming !== undefined) coming.isOver = true;
  }

  #accepts(line: Line): boolean {
    line.owed.connack = [];
    const { level, cleanStart } = line.connect!;
    if (!this.isKind && this.#chance(10)) { // unavailable
      this.counts.refused++;
      this.#send(line, {
        type: PacketType.CONNACK,
        sessionPresent: false,
        reasonCode: level === 5 ? 0x88 : 3,
      });
      this.#end(line);
      return true;
    }
    if (cleanStart || this.#chance(20)) {
      if (this.#isThere) this.counts.lost++;
      this.#forget();
    }
    const properties: ConnackProperties = {};
    if (level === 5) {
      if (this.#chance(2)) properties.receiveMaximum = line.receiveMaximum = 1 + this.#below(4);
      if (this.#chance(2)) properties.topicAliasMaximum = line.aliasesMax = this.#below(3);
      if (this.#packetMax < Infinity) properties.maximumPacketSize = line.packetMax = this.#packetMax;
      if (this.#chance(4)) properties.subscriptionIdentifiersAvailable = false;
    }
    const sessionPresent = line.isResumed = this.#isThere;
    if (!sessionPresent) this.#forget();
    line.isOpen = true;
    this.#send(line, {
      type: PacketType.CONNACK,
      sessionPresent,
      reasonCode: 0,
      ...level === 5 && { properties },
    });
    for (const [id, going] of this.#going) { // [MQTT-4.4.0-1]
      if (going.isReleased) this.#send(line, { type: PacketType.PUBREL, packetId: id, reasonCode: 0 });
      else this.#put(line, id, going, true);
    }
    return true;
  }

  #leave(line: Line): boolean {
    if (line.level === 5 && this.#chance(2)) {
      this.#send(line, { type: PacketType.DISCONNECT, reasonCode: 0x89 });
    }
    this.#end(line);
    return true;
  }

  #deliver(line: Line, going: Going): void {
    if (going.qos === 0) return this.#put(line, 0, going, false);
    while (this.#going.has(this.#nextId)) this.#nextId = this.#nextId % 20 + 1; // the same ones again and again
    const id = this.#nextId;
    this.#nextId = id % 20 + 1;
    this.#going.set(id, going);
    this.#put(line, id, going, false);
  }

  #put(line: Line, id: number, { text, qos, topic }: Going, dup: boolean): void {
    if (qos > 0) line.awaited[qos - 1]!.push(id);
    const most = line.level === 5 ? line.connect!.properties?.topicAliasMaximum ?? 0 : 0;
    const alias = most > 0 && this.#chance(2) ? 1 : 0;
    const isKnown = alias > 0 && line.topics.get(-alias) === topic;
    if (alias > 0) line.topics.set(-alias, topic);
    const packet: Publish = {
      type: PacketType.PUBLISH,
      dup,
      qos,
      retain: false,
      topic: isKnown ? "" : topic,
      payload: new TextEncoder().encode(text),
    };
    if (qos > 0) packet.packetId = id;
    if (alias > 0) packet.properties = { topicAlias: alias };
    this.#send(line, packet);
  }

  // In.

  #take(line: Line, packet: Packet): void {
    if (line.connect === undefined) {
      assert(packet.type === PacketType.CONNECT, "CONNECT is not the first packet [MQTT-3.1.0-1]");
      line.connect = packet;
      line.level = packet.level;
      this.counts.connections++;
      line.owed.connack.push(packet);
      return;
    }
    assert(line.isOpen || packet.type === PacketType.DISCONNECT, `packet type ${packet.type} before CONNACK`);
    this.#isThere ||= line.isOpen; // a Client that has not got CONNACK cannot know that its session is a new one
    const { other } = line.owed;
    switch (packet.type) {
      case PacketType.PUBLISH:
        return this.#publish(line, packet);
      case PacketType.PUBREL:
        return this.#pubrel(line, packet.packetId);
      case PacketType.PUBACK:
      case PacketType.PUBREC:
        return this.#acknowledged(
          line,
          packet.type === PacketType.PUBACK ? 1 : 2,
          packet.packetId,
          packet.reasonCode,
        );
      case PacketType.PUBCOMP:
        assertEquals(line.pubcomps.shift(), packet.packetId, "PUBCOMP in the order of PUBREL, once each");
        this.#going.delete(packet.packetId);
        return;
      case PacketType.SUBSCRIBE: {
        const { packetId, subscriptions: [{ filter, qos }] } = packet as typeof packet & {
          subscriptions: [{ filter: string; qos: QoS }];
        };
        this.#unused(line, packetId);
        const isRefused = !this.isKind && this.#chance(10) && !filter.startsWith("t/");
        if (isRefused) this.counts.unsubscribed++;
        else this.#filters.set(filter, qos);
        line.asked.add(packetId);
        const code = isRefused ? line.level === 5 ? 0x97 : 0x80 : qos;
        other.push({ type: PacketType.SUBACK, packetId, reasonCodes: [code] });
        return;
      }
      case PacketType.UNSUBSCRIBE: {
        const { packetId, filters: [filter = ""] } = packet;
        this.#unused(line, packetId);
        line.asked.add(packetId);
        const code = this.#filters.delete(filter) ? 0 : 0x11;
        const reasonCodes = line.level === 5 ? [code] : [];
        other.push({ type: PacketType.UNSUBACK, packetId, reasonCodes });
        return;
      }
      case PacketType.PINGREQ:
        other.push({ type: PacketType.PINGRESP });
        return;
      case PacketType.DISCONNECT:
        // 0x80: its store has failed, or no PINGRESP came in time.
        assert([0, 0x80].includes(packet.reasonCode), `the Client says 0x${packet.reasonCode.toString(16)}`);
        line.hasLeft = line.isEnding = true;
        return this.#flush(line);
      default:
        throw new Error(`Packet type ${packet.type} of a Client`);
    }
  }

  /** [MQTT-2.2.1-3] [MQTT-2.2.1-4] */
  #unused(line: Line, id: number): void {
    assert(id > 0, "Packet Identifier 0");
    assert(
      !line.asked.has(id) && !line.inFlight.has(id),
      `Packet Identifier ${id} is in use on this connection`,
    );
    const coming = this.#coming.get(id);
    assert(coming === undefined || coming.isOver, `Packet Identifier ${id} is in use by ${coming?.text}`);
  }

  #publish(line: Line, { qos, dup, packetId = 0, topic, payload, properties }: Publish): void {
    const alias = properties?.topicAlias;
    if (alias !== undefined) {
      assert(alias <= line.aliasesMax, "an alias above the maximum [MQTT-3.3.2-9]");
      if (topic !== "") line.topics.set(alias, topic);
    }
    const name = topic !== "" ? topic : line.topics.get(alias ?? 0);
    const text = new TextDecoder().decode(payload);
    const serial = parseInt(text);
    assertEquals(name, `t/topic/${serial % 3}`, "the topic of another message");
    const kind = qos === 0 ? 0 : 1;
    assert(serial > line.last[kind], `message ${serial} behind ${line.last[kind]} [MQTT-4.6.0-1]`);
    line.last[kind] = serial;
    if (qos === 0) {
      assert(!dup, "DUP 1 at QoS 0 [MQTT-3.3.1-2]");
      this.taken.push({ text, qos });
      return;
    }
    let coming = this.#coming.get(packetId);
    const isAgain = coming?.text === text;
    if (isAgain) {
      assert(dup, "a message comes again without DUP [MQTT-3.3.1-1]");
      assert(!line.inFlight.has(packetId), "a message comes twice on one connection [MQTT-4.4.0-1]");
      assert(!coming!.isReleased, "PUBLISH behind PUBREL [MQTT-4.3.3-6]");
    } else this.#unused(line, packetId);
    assert(!dup || line.isResumed, "DUP 1 where there was no session [MQTT-3.2.2-5]");
    line.inFlight.add(packetId);
    assert(line.inFlight.size <= line.receiveMaximum, "above Receive Maximum [MQTT-3.3.4-7]");
    if (!isAgain || coming!.isOver) {
      const isTaken = isAgain ? coming!.isTaken : this.isKind || line.level < 5 || !this.#chance(15);
      coming = { text, qos, isReleased: false, isOver: false, isTaken };
      this.#coming.set(packetId, coming);
      if (isTaken) this.taken.push({ text, qos });
      else this.counts.refused++;
    }
    const code = line.level === 5 && this.#chance(4) ? 0x10 : 0;
    const reasonCode = coming!.isTaken ? code : REFUSALS[this.#below(REFUSALS.length)]!;
    const type = qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
    line.owed[qos === 1 ? "puback" : "pubrec"].push({ type, packetId, reasonCode });
  }

  #pubrel(line: Line, packetId: number): void {
    const coming = this.#coming.get(packetId);
    assert(coming?.qos === 2 && coming.isTaken, "PUBREL for a message that was not accepted");
    coming.isReleased = true;
    line.owed.pubcomp.push({ type: PacketType.PUBCOMP, packetId, reasonCode: 0 });
  }

  #acknowledged(line: Line, qos: 1 | 2, packetId: number, code: number): void {
    const next = line.awaited[qos - 1]!.shift();
    assertEquals(
      packetId,
      next,
      `acknowledgements of QoS ${qos} in the order of PUBLISH, once each [MQTT-4.6.0-2]`,
    );
    const going = this.#going.get(packetId)!;
    if (qos === 1 || code >= 0x80) this.#going.delete(packetId);
    else {
      going.isReleased = true;
      line.owed.other.push({ type: PacketType.PUBREL, packetId, reasonCode: 0 });
    }
  }
}
