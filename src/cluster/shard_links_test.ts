/** Links between shards: who calls whom, and what becomes of calls and relays when an owner changes. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { seededRandom } from "../engine/random.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import { acceptBus, dialBus } from "./bus_dial.ts";
import { callBytes, type CalledFor, readCall } from "./call.ts";
import { CLUSTER } from "./limits.ts";
import { MemoryNetwork, type MemoryNode } from "./memory/network.ts";
import { Schedule } from "./memory/schedule.ts";
import { ShardLinks, type ShardOwner } from "./shard_links.ts";
import { callSubject, shardNames, shardOf } from "./subjects.ts";

const PEER: PeerInfo = { address: "192.0.2.7", port: 1, transport: "tcp" };

/** A shard of three, whose server only writes down what it is given. */
class Shard {
  readonly node: MemoryNode;
  readonly owners = new Map<number, ShardOwner>();
  readonly linked: string[] = [];
  readonly relayed: CalledFor[] = [];
  readonly troubles: string[] = [];
  /** Links that are over. */
  ended = 0;
  readonly links: ShardLinks;
  #calls = 0;

  constructor(net: MemoryNetwork, shard: number, epoch: number, owners: Readonly<Record<number, number>>) {
    this.node = net.node(`shard-${shard}-${epoch}`);
    const { bus, clock } = this.node;
    for (const [other, epoch] of Object.entries(owners)) this.owns(Number(other), epoch);
    this.links = new ShardLinks({
      clock,
      shard,
      shards: 3,
      own: ownerOf(shard, epoch),
      ownerOf: (other) => this.owners.get(other),
      dial: ({ shard: to, epoch: at, head, isRelay, dialled, ended }) =>
        dialBus({
          bus,
          clock,
          at: callSubject("test", to, at),
          id: `${shard}-${epoch}-${++this.#calls}`,
          label: "bus",
          beats: isRelay ? "while asked" : "all the time",
          head,
          dialled,
          ended,
        }),
      taker: {
        link: (transport, node, incarnation, over) => {
          this.linked.push(`${node} ${incarnation}`);
          listen(transport, () => {
            this.ended++;
            over?.();
          });
        },
        acceptRelayed: (transport, head) => {
          this.relayed.push(head);
          listen(transport);
        },
      },
      troubled: (why) => this.troubles.push(why),
    });
    acceptBus({
      bus,
      clock,
      at: callSubject("test", shard, epoch),
      label: "bus",
      accepted: (transport, head, atEnd) => this.links.accepted(transport, head, atEnd),
    });
  }

  owns(shard: number, epoch: number): void {
    this.owners.set(shard, ownerOf(shard, epoch));
  }

  /** It hears of an owner. */
  hears(shard: number, epoch: number): void {
    this.owns(shard, epoch);
    this.links.changed();
  }
}

function ownerOf(shard: number, epoch: number): ShardOwner {
  return { epoch, incarnation: `life-${shard}-${epoch}` };
}

/** Starts it, and tells when it is over. */
function listen(transport: Transport, closed: () => void = () => {}): void {
  transport.start({ received() {}, drained() {}, closed });
}

function network(): MemoryNetwork {
  const net = new MemoryNetwork(new Schedule(), seededRandom(3));
  net.faults.delayMs = [1, 5];
  return net;
}

describe("links between shards", () => {
  test("are called by the shard with the higher number, once for each pair, and again after a break", () => {
    const net = network();
    const one = new Shard(net, 1, 4, { 2: 1 });
    const two = new Shard(net, 2, 1, { 1: 4 });
    net.schedule.pass(2_000);
    assertEquals([one.linked, two.linked], [["shard-2 life-2-1"], ["shard-1 life-1-4"]]);
    two.node.bus.connect(false);
    net.schedule.pass(10);
    two.node.bus.connect(true);
    net.schedule.pass(CLUSTER.deadMs + CLUSTER.callMsMax + 2_000);
    assertEquals([one.linked.length, two.linked.length, one.ended, two.ended], [2, 2, 1, 1]);
  });

  test("wait for an owner, and follow it: what went to the one before ends at once", () => {
    const net = network();
    const two = new Shard(net, 2, 1, {});
    net.schedule.pass(5_000);
    assertEquals(two.linked, []);
    const before = new Shard(net, 1, 1, { 2: 1 });
    two.hears(1, 1);
    net.schedule.pass(1_000);
    assertEquals(two.linked, ["shard-1 life-1-1"]);
    const after = new Shard(net, 1, 2, { 2: 1 });
    two.hears(1, 2);
    net.schedule.pass(1_000);
    assertEquals(two.linked, ["shard-1 life-1-1", "shard-1 life-1-2"]);
    assertEquals([before.ended, two.ended, after.linked], [1, 1, ["shard-2 life-2-1"]]);
  });

  test("that an owner of before calls for are not taken, whoever has heard of the new one first", () => {
    for (const isHeard of [true, false]) {
      const net = network();
      const one = new Shard(net, 1, 1, isHeard ? { 2: 5 } : {});
      if (!isHeard) {
        new Shard(net, 2, 5, { 1: 1 });
        net.schedule.pass(1_000);
      }
      const linked = [...one.linked];
      new Shard(net, 2, 4, { 1: 1 }); // it was stopped for a while, say
      net.schedule.pass(5_000);
      assertEquals(one.linked, linked);
      assertEquals(one.ended, 0);
    }
  });

  test("relays end with their owner, on both sides, and when there is none", () => {
    const net = network();
    const one = new Shard(net, 1, 1, { 2: 1 });
    const two = new Shard(net, 2, 1, { 1: 1 });
    net.schedule.pass(1_000);
    let closes = 0;
    const relay = () =>
      two.links.relay(1, { listener: 0, peer: PEER }, (transport) => {
        assert(!(transport instanceof Error), String(transport));
        listen(transport, () => closes++);
      });
    relay();
    net.schedule.pass(1_000);
    assertEquals(one.relayed, [], "it takes no Clients yet");
    one.links.takeRelayed();
    relay();
    net.schedule.pass(1_000);
    assertEquals(one.relayed, [{ listener: 0, peer: PEER }, { listener: 0, peer: PEER }]);
    two.links.gone(1);
    net.schedule.pass(100);
    assertEquals(closes, 2);
    relay();
    net.schedule.pass(1_000);
    two.hears(1, 2);
    net.schedule.pass(100);
    assertEquals(closes, 3);
    const errors: unknown[] = [];
    two.links.relay(3, { listener: 0, peer: PEER }, (transport) => errors.push(String(transport)));
    net.schedule.pass(100);
    assertEquals(errors, ["Error: shard-3 has no owner at present"]);
  });

  test("call nobody behind close(), and take no calls", () => {
    const net = network();
    const one = new Shard(net, 1, 1, { 2: 1 });
    const two = new Shard(net, 2, 1, {});
    one.links.close();
    two.hears(1, 1);
    net.schedule.pass(1_000);
    two.links.close();
    net.schedule.pass(60_000);
    assertEquals([one.linked, two.node.bus.size], [[], 1]);
  });
});

test("a call that is none is refused in words, and says who called", () => {
  const call = { shard: 2, epoch: 7, incarnation: "x" };
  assertEquals(readCall(callBytes(call)), call);
  const relay = { ...call, head: { listener: 1, peer: PEER } };
  assertEquals(readCall(callBytes(relay)), relay);
  const said = (value: unknown) => readCall(new TextEncoder().encode(JSON.stringify(value)));
  assertEquals(said([]), "a call of version undefined, not 1");
  assertEquals(said({ plumb: 2 }), "a call of version 2, not 1");
  assertEquals(said({ plumb: 1, shard: 1.5 }), "a call that does not say whose it is");
  assertEquals(said({ plumb: 1, ...call, head: 1 }), "a call for a Client of whom too little is said");
  assertEquals(readCall(Uint8Array.of(0xff)), "what it begins with is no call");
});

test("shards have the names of nodes", () => {
  assertEquals(shardNames(3), ["shard-1", "shard-2", "shard-3"]);
  assertEquals([shardOf("shard-2", 3), shardOf("shard-4", 3)], [2, undefined]);
});
