/**
 * §4.1 Session State that outlives the process: what is put into the store, and the bytes that wait until it is safe there.
 * Knows records and commits; refuses to know files and databases.
 *
 * Keys above 0 are messages towards the Server in their order, keys below 0 the identifiers of QoS 2 messages of the Server.
 * @module
 */
import type { Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { decodePublish, encodePublish } from "../codec/publish.ts";
import { EMPTY } from "../codec/publish_view.ts";
import { Reader } from "../codec/reader.ts";
import { Writer } from "../codec/writer.ts";
import type { Link } from "./link.ts";
import { Publication } from "./publication.ts";

/** Where records go. Both take effect with the next commit. */
export interface Records {
  /** Puts a record under a key, in place of one that is there. */
  put(key: number, record: Uint8Array): void;
  /** Takes it out. */
  delete(key: number): void;
}

/** Takes back messages towards the Server, in their order. */
export interface Restored {
  /** It was sent if it has an identifier; `isReleased`: the Server has it. */
  restore(publication: Publication, isReleased: boolean): void;
}

/** Takes back the identifiers of QoS 2 messages of the Server. */
export interface RestoredIdentifiers {
  /** One of them. */
  restore(packetId: number): void;
}

/** One stored message towards the Server. */
export interface Stored {
  /** 0 if it was never sent. */
  readonly packetId: number;
  /** Undefined once the Server has it: PUBREL is to be sent. */
  readonly publish: Publish | undefined;
}

const HEAD_BYTES = 2;

/** Records, and the commit that is due or under way. A Client without a store has none. */
export class Journal {
  readonly #records: Records;
  readonly #restored: Iterable<readonly [key: number, record: Uint8Array]>;
  /** Something was put or deleted since the last commit began. */
  #isDirty = false;
  /** A commit is under way. */
  #isCommitting = false;
  /** The last commit has failed: the next one waits for the next attempt to connect. */
  #hasFailed = false;

  /** `restored`: what is there from the process before. */
  constructor(records: Records, restored: Iterable<readonly [key: number, record: Uint8Array]> = []) {
    this.#records = records;
    this.#restored = restored;
  }

  /** Gives back what an earlier process had. @throws {PeerError} for a record that cannot be read. */
  restore(outbound: Restored, inbound: RestoredIdentifiers): void {
    for (const [key, bytes] of [...this.#restored].sort(([a], [b]) => a - b)) {
      if (key < 0) {
        inbound.restore(-key);
        continue;
      }
      const { packetId, publish } = readRecord(bytes);
      const { topic = "", payload = EMPTY, qos = 2, retain = false, properties } = publish ?? {};
      const publication = new Publication({ topic, payload, qos, retain, properties, offline: "queue" });
      publication.order = publication.releasedAt = key;
      publication.packetId = packetId;
      outbound.restore(publication, publish === undefined);
    }
  }

  /** Whether a commit is to begin. */
  get isDue(): boolean {
    return this.#isDirty && !this.#isCommitting && !this.#hasFailed;
  }

  /** Whether one is to begin, or is under way. */
  get isBusy(): boolean {
    return this.isDue || this.#isCommitting;
  }

  /** A commit begins if one is due. */
  begins(): boolean {
    if (!this.isDue) return false;
    this.#isDirty = false;
    return this.#isCommitting = true;
  }

  /** It is over; if it has failed, the next one begins with it, and waits for `goOn()`. */
  ends(isSafe: boolean): void {
    this.#isCommitting = false;
    if (!isSafe) this.#isDirty = this.#hasFailed = true;
  }

  /** The Client connects: a commit that has failed is tried again. */
  goOn(): void {
    this.#hasFailed = false;
  }

  /** §4.3 a message towards the Server, with its identifier if it has one. */
  message(publication: Publication): void {
    if (publication.qos > 0) this.#put(publication.order, record(publication));
  }

  /** §4.3.3 the Server has a QoS 2 message: its PUBLISH may never be sent again [MQTT-4.3.3-6]. */
  released(publication: Publication): void {
    this.#put(publication.order, head(publication.packetId));
  }

  /** Its exchange is over. */
  ended(publication: Publication): void {
    if (publication.qos > 0) this.#delete(publication.order);
  }

  /** §4.3.3 the identifier of a QoS 2 message of the Server is open. */
  opened(packetId: number): void {
    this.#put(-packetId, head(packetId));
  }

  /** It is not any more. */
  closed(packetId: number): void {
    this.#delete(-packetId);
  }

  /** Bytes that are written to `link` from here on wait until all that was put before is safe. */
  hold(link: Link): void {
    if (!this.#isDirty && !this.#isCommitting) return;
    this.#isDirty = true;
    link.hold();
  }

  #put(key: number, bytes: Uint8Array): void {
    this.#records.put(key, bytes);
    this.#isDirty = true;
  }

  #delete(key: number): void {
    this.#records.delete(key);
    this.#isDirty = true;
  }
}

function head(packetId: number): Uint8Array {
  return Uint8Array.of(packetId >> 8, packetId & 255);
}

/** The identifier, then the body of the PUBLISH at level 5, whatever the level of the connection. */
function record(publication: Publication): Uint8Array {
  const { topic, payload, qos, retain, properties = {}, packetId } = publication;
  const writer = new Writer(payload.length + 256);
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    qos,
    retain,
    topic,
    packetId: 1,
    payload,
    properties,
  };
  encodePublish(writer, packet, 5);
  const frame = writer.bytes();
  const bytes = new Uint8Array(HEAD_BYTES + frame.length);
  bytes.set(head(packetId));
  bytes.set(frame, HEAD_BYTES);
  return bytes;
}

/** What a record says. @throws {PeerError} for one that this module has not written. */
export function readRecord(bytes: Uint8Array): Stored {
  const reader = new Reader(bytes);
  const packetId = reader.u16();
  if (reader.left === 0) return { packetId, publish: undefined };
  const first = reader.u8();
  reader.varint();
  return { packetId, publish: decodePublish(reader, first & 15, 5) };
}
