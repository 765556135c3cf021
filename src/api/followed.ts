/**
 * Clients that somebody asks about, so that the next answer can tell of their last message and acknowledgement.
 * Knows for how long and how many; refuses to know why it is asked.
 *
 * The broker keeps no such times: they would cost each message something. So a trace notes them, from the first question about a Client
 * until none has come for a minute.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { TracedPacket } from "../broker/mod.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { ApiServer, Traced } from "./host.ts";

const { PUBLISH, PUBACK, PUBREC, PUBCOMP } = PacketType;
/** A Client that is not asked about for so long is followed no more. */
const FOLLOWED_MS = 60_000;
/** Clients at a time: the one that was asked about longest ago gives way. */
const FOLLOWED_MAX = 16;
/** The bounds of a trace at their most: what is seen is not kept. */
const ALL = { packetsMax: 100_000, bytesMax: 64 * 1024 * 1024, payloadBytesMax: 0, milliseconds: 3_600_000 };

/** What is known of a Client since it is followed. Times are ms since the epoch. */
export interface Seen {
  readonly since: number;
  /** The last PUBLISH to it. */
  readonly delivery: { readonly at: number; readonly topic: string; readonly qos: number } | undefined;
  /** Its last PUBACK, PUBREC or PUBCOMP. */
  readonly acknowledgement:
    | { readonly at: number; readonly type: "PUBACK" | "PUBREC" | "PUBCOMP" }
    | undefined;
}

/** One Client that is followed. */
class Followed implements Seen {
  readonly since: number;
  delivery: Seen["delivery"];
  acknowledgement: Seen["acknowledgement"];
  readonly trace: Traced;
  timer: ReturnType<typeof setTimeout> | undefined;

  constructor(server: ApiServer, client: string, now: number, ended: () => void) {
    this.since = now;
    this.trace = server.trace({ client, ...ALL }, { seen: (packet) => this.#saw(packet), ended }, now);
  }

  #saw({ at, direction, packet, topic = "" }: TracedPacket): void {
    if (direction === "out") {
      if (packet?.type === PUBLISH) this.delivery = { at, topic, qos: packet.qos };
    } else if (packet?.type === PUBACK) this.acknowledgement = { at, type: "PUBACK" };
    else if (packet?.type === PUBREC) this.acknowledgement = { at, type: "PUBREC" };
    else if (packet?.type === PUBCOMP) this.acknowledgement = { at, type: "PUBCOMP" };
  }
}

const FOLLOWED: WeakMap<ApiServer, Map<string, Followed>> = new WeakMap();

/** What was seen of a Client since it is followed: from now on, or since it was asked about before. */
export function follow(server: ApiServer, client: string, now: number): Seen {
  const all = FOLLOWED.get(server) ?? new Map<string, Followed>();
  FOLLOWED.set(server, all);
  const known = all.get(client);
  const followed = known ?? new Followed(server, client, now, () => {
    clearTimeout(followed.timer);
    if (all.get(client) === followed) all.delete(client);
  });
  all.delete(client); // asked about last, so behind the others
  all.set(client, followed);
  clearTimeout(followed.timer);
  followed.timer = setTimeout(() => followed.trace.end("time"), FOLLOWED_MS);
  followed.timer.unref();
  if (all.size > FOLLOWED_MAX) [...all.values()][0]!.trace.end("stopped");
  return followed;
}
