/**
 * How the processes of a cluster ask each other by HTTP, on whatever machines they are: Unix sockets at both ends, calls over the bus between
 * them.
 * Knows sockets and calls; refuses to know what is asked.
 * @module
 */
import { mkdirSync } from "node:fs";
import { join as pathOf } from "node:path";
import { acceptBus, dialBus } from "../../cluster/bus_dial.ts";
import type { Shard } from "../../cluster/join/shard.ts";
import { askSubject } from "../../cluster/subjects.ts";
import { dialTcp } from "../../runtime/dial.ts";
import type { Listener } from "../../runtime/endpoint.ts";
import { LateTransport } from "../../runtime/late.ts";
import { listenTcp } from "../../runtime/listen.ts";
import { systemLoop } from "../../runtime/loop.ts";
import type { Transport } from "../../transport/transport.ts";
import { join } from "../../transport/way.ts";
import { insideSocketOf } from "../workers/inside.ts";
import type { ShardOrder } from "./order.ts";

const NOTHING = new Uint8Array();

/** The sockets of one process. */
export class AskWays {
  /** Private, of this process: it has a socket for each shard. */
  readonly directory: string;
  readonly #order: ShardOrder;
  readonly #shard: Shard;
  readonly #listeners: Listener[] = [];
  #stopAccepting: () => void = () => {};
  #calls = 0;

  constructor(order: ShardOrder, shard: Shard) {
    this.#order = order;
    this.#shard = shard;
    this.directory = pathOf(order.directory, `${order.shard}`);
    mkdirSync(this.directory, { mode: 0o700, recursive: true });
  }

  /** Opens those that lead to other shards, and takes calls for its own, whose socket is `InsideChannel`'s. */
  async open(): Promise<void> {
    const { shard, shards, cluster } = this.#order;
    for (let other = 1; other <= shards; other++) {
      if (other === shard) continue;
      this.#listeners.push(
        await listenTcp(
          { host: insideSocketOf(this.directory, other), port: 0 },
          (transport) => join(transport, this.#call(other)),
        ),
      );
    }
    const at = askSubject(cluster, shard, this.#shard.epoch);
    const host = insideSocketOf(this.directory, shard);
    this.#stopAccepting = acceptBus({
      bus: this.#shard.bus,
      clock: systemLoop,
      at,
      label: "asked",
      accepted: (transport) =>
        join(transport, new LateTransport("inside", NOTHING, dialTcp({ host, port: 0 }))),
    });
  }

  #call(shard: number): Transport {
    const { cluster, incarnation } = this.#order;
    const owner = this.#shard.ownerOf(shard);
    const opening = new Promise<Transport>((resolve, reject) => {
      if (owner === undefined) return reject(new Error(`shard ${shard} has no owner at present`));
      dialBus({
        bus: this.#shard.bus,
        clock: systemLoop,
        at: askSubject(cluster, shard, owner.epoch),
        id: `${incarnation.slice(0, 40)}-a${++this.#calls}`,
        label: `ask ${shard}`,
        beats: "while asked",
        dialled: (transport) => transport instanceof Error ? reject(transport) : resolve(transport),
      });
    });
    return new LateTransport(`ask ${shard}`, NOTHING, opening);
  }

  /** Asks and answers no more. */
  async close(): Promise<void> {
    this.#stopAccepting();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}
