/**
 * Limits for addresses by a given clock: a home that comes back at once, strangers that try without end, and what is remembered of them.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { type LimitName, LIMITS, type Limits, type PeerInfo } from "../broker/mod.ts";
import { policyOf } from "../broker/policy.ts";
import { addressGroup } from "../transport/address_group.ts";
import { AddressLimits, type Release } from "./address_limits.ts";

const HOME = "192.0.2.1";
const SECOND = 1000;

function from(address: string, more: Partial<PeerInfo> = {}): PeerInfo {
  return { address, port: 1, transport: "tcp", ...more };
}

/** Addresses of a server, at a time that stands still unless it is changed. */
class Door {
  readonly addresses: AddressLimits = new AddressLimits();
  readonly told: string[] = [];
  now = 1_000_000;
  limits: Limits;

  constructor(limits: Partial<Limits> = {}) {
    this.limits = policyOf({ limits }).limits;
  }

  /** The rule that keeps this peer out, or how to leave. */
  try(peer: PeerInfo | string): Release | string {
    const place = this.addresses.take(typeof peer === "string" ? from(peer) : peer, this.limits, this.now);
    if (typeof place === "function") return place;
    if (place.isNews) this.told.push(`${place.limit} ${place.who}`);
    return place.refusal.rule;
  }

  /** The rule, or "in". */
  knock(peer: PeerInfo | string): string {
    const place = this.try(peer);
    return typeof place === "function" ? "in" : place;
  }

  enter(peer: PeerInfo | string): Release {
    const place = this.try(peer);
    assert(typeof place === "function", `refused: ${place}`);
    return place;
  }

  /** How many of so many come in. */
  many(peer: PeerInfo | string, count: number): number {
    return Array.from({ length: count }, () => this.knock(peer)).filter((what) => what === "in").length;
  }
}

describe("a home of 500 devices behind one address", () => {
  test("comes back as a whole when its power does, twice in a row, while its dead connections are still open", () => {
    const door = new Door();
    const dead = Array.from({ length: 500 }, () => door.enter(HOME));
    door.now += 3600 * SECOND;
    const cut = Array.from({ length: 500 }, () => door.enter(HOME));
    door.now += SECOND;
    assertEquals(door.many(HOME, 500), 500);
    for (const leave of [...dead, ...cut]) leave(door.now); // taken over, one after the other
    assertEquals(door.told, []);
  });

  test("comes in a few seconds later where its devices have tried without pause", () => {
    const door = new Door({ addressConnectRateMax: 10 }); // 100 at once
    let left = 500;
    for (let tries = 0; tries < 41; tries++, door.now += SECOND) left -= door.many(HOME, left);
    assertEquals(left, 0);
    assertEquals(door.told, [`addressConnectRateMax ${HOME}`]);
  });
});

describe("addressConnectionsMax", () => {
  test("[limit/address-connections] so many are open from one address, until one of them is over", () => {
    const door = new Door({ addressConnectionsMax: 3 });
    const leave = door.enter(HOME);
    assertEquals(door.many(HOME, 5), 2);
    assertEquals(door.knock(HOME), "limit/address-connections");
    assertEquals(door.knock("192.0.2.2"), "in");
    leave(door.now);
    assertEquals([door.knock(HOME), door.knock(HOME)], ["in", "limit/address-connections"]);
  });

  test("is never more than half of connectionsMax, and at least one", () => {
    for (const [connectionsMax, most] of [[1, 1], [3, 1], [100, 50], [LIMITS.connectionsMax.most, 200]]) {
      const door = new Door({ connectionsMax: connectionsMax!, addressConnectionsMax: 200 });
      assertEquals(door.many(HOME, 300), most);
    }
  });

  test("0 is no limit, and no share", () => {
    const door = new Door({ addressConnectionsMax: 0, connectionsMax: 10 });
    assertEquals(door.many(HOME, 900), 900);
  });

  test("is told once, until most of the connections are over", () => {
    const door = new Door({ addressConnectionsMax: 8 });
    const inside = Array.from({ length: 8 }, () => door.enter(HOME));
    const fill = () =>
      Array.from({ length: 9 }, () => door.try(HOME)).filter((one) => typeof one === "function");
    for (const leave of inside.splice(0, 4)) leave(door.now);
    inside.push(...fill());
    assertEquals(door.told, [`addressConnectionsMax ${HOME}`]);
    for (const leave of inside.splice(0, 7)) leave(door.now);
    fill();
    assertEquals(door.told, Array(2).fill(`addressConnectionsMax ${HOME}`));
  });
});

describe("an address", () => {
  const isOne = (one: PeerInfo | string, other: PeerInfo | string): boolean => {
    const door = new Door({ addressConnectionsMax: 1 });
    door.enter(one);
    return door.knock(other) !== "in";
  };

  test("is the /64 of an IPv6 address, and the IPv4 address of one that is mapped", () => {
    assertEquals(isOne("2001:db8::1", "2001:db8::ffff:1"), true);
    assertEquals(isOne("2001:db8::1", "2001:db8:0:1::1"), false);
    assertEquals(isOne("192.0.2.1", "::ffff:192.0.2.1"), true);
    assertEquals(isOne("192.0.2.1", "192.0.2.2"), false);
  });

  test("of this machine is not counted, unless a proxy names it", () => {
    const proxy = { address: "192.0.2.9", port: 4711 };
    for (
      const local of [
        from("127.0.0.1"),
        from("::1"),
        from("127.8.8.8"),
        from("", { transport: "unix" }),
        from("a", {
          transport: "memory",
        }),
      ]
    ) {
      const door = new Door({ addressConnectionsMax: 1, addressConnectRateMax: 1, connectRateMax: 1 });
      assertEquals(door.many(local, 100), 100);
      assertEquals(door.addresses.sizes, { present: 0, gone: 0 });
    }
    assertEquals(isOne(from("127.0.0.1", { proxy }), from("127.0.0.1", { proxy })), true);
    assertEquals(
      isOne(from("192.0.2.1", { proxy }), from("192.0.2.1", { proxy: { ...proxy, port: 4712 } })),
      true,
    );
  });
});

describe("addressConnectRateMax", () => {
  test("[limit/address-connect-rate] what ten seconds allow may come at once, then so many a second, refused ones not counted", () => {
    const door = new Door({ addressConnectRateMax: 5 });
    const come = (count: number) => {
      let came = 0;
      for (let i = 0; i < count; i++) {
        const place = door.try(HOME);
        if (typeof place !== "function") continue;
        came++;
        place(door.now); // it leaves at once: what is counted is how often it comes
      }
      return came;
    };
    assertEquals(come(1000), 50);
    assertEquals(door.knock("192.0.2.2"), "in");
    for (let second = 0; second < 5; second++) {
      door.now += SECOND;
      assertEquals(come(1000), 5);
    }
    assertEquals(door.knock(HOME), "limit/address-connect-rate");
    assertEquals(door.told, [`addressConnectRateMax ${HOME}`]);
    door.now += 10 * SECOND;
    assertEquals(come(1000), 50);
    assertEquals(door.told.length, 2);
  });

  test("holds with another value at once", () => {
    const door = new Door({ addressConnectRateMax: 1 });
    const set = (limits: Partial<Limits>) => door.limits = policyOf({ limits }).limits;
    assertEquals(door.many(HOME, 20), 10);
    set({ addressConnectRateMax: 0 });
    assertEquals(door.many(HOME, 500), 500);
    set({ addressConnectRateMax: 2 });
    assertEquals(door.many(HOME, 20), 10); // what came without a limit does not count
  });
});

describe("connectRateMax", () => {
  const RATE = { connectRateMax: 10, addressConnectRateMax: 0, addressConnectionsMax: 0 };
  const strangers = (count: number, net = "198.51.100") =>
    Array.from({ length: count }, (_, i) => `${net}.${i}`);

  test("[limit/connect-rate] bounds all addresses together, and is told once", () => {
    const door = new Door(RATE);
    const came = [...strangers(200), ...strangers(50, "203.0.113")].map((address) => door.knock(address));
    assertEquals(came.lastIndexOf("in"), 99);
    assertEquals(came[100], "limit/connect-rate");
    assertEquals(door.told, ["connectRateMax 198.51.100.100"]);
    door.now += SECOND;
    assertEquals(strangers(250, "203.0.113").filter((address) => door.knock(address) === "in").length, 10);
  });

  test("few addresses that come and go without end do not keep others out", () => {
    const door = new Door(RATE);
    const attackers = strangers(20);
    let refused = 0;
    for (let ms = 0; ms < 60 * SECOND; ms += 10, door.now += 10) {
      for (const attacker of attackers) {
        const place = door.try(attacker);
        if (typeof place === "function") place(door.now);
        else refused++;
      }
      // Two newcomers a second, each from an address of its own.
      if (ms % 500 === 0) door.enter(`203.0.${ms / 500}.1`)(door.now);
    }
    assert(refused > 100_000, `${refused}`);
  });
});

describe("what is remembered", () => {
  /** Comes and goes from so many networks of 64 bits, each by itself. */
  const visit = (door: Door, count: number, first = 0) => {
    for (let i = first; i < first + count; i++) {
      door.enter(`2001:db8:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::1`)(door.now);
    }
  };

  test("is bounded by addressesKeptMax, however many addresses come and go, and ends with time", () => {
    const door = new Door({ connectRateMax: 0 });
    const most = LIMITS.addressesKeptMax.default;
    for (let i = 0; i < 10; i++) {
      visit(door, most, i * most);
      const { present, gone } = door.addresses.sizes;
      assert(present === 0 && gone >= most / 2 && gone <= most, `${gone}`);
    }
    door.now += 20 * SECOND;
    visit(door, 1, 10 * most);
    assertEquals(door.addresses.sizes, { present: 0, gone: 1 });
  });

  test("of an address is forgotten behind half as many others, or more", () => {
    for (const addressesKeptMax of [2, 3, 10]) {
      const door = new Door({ addressConnectRateMax: 1, addressesKeptMax, connectRateMax: 0 });
      for (let i = 0; i < 10; i++) door.enter(HOME)(door.now);
      const half = Math.floor(addressesKeptMax / 2);
      visit(door, half);
      assertEquals(door.knock(HOME), "limit/address-connect-rate");
      visit(door, half + 1, half);
      assertEquals(door.knock(HOME), "in");
      assert(door.addresses.sizes.gone <= addressesKeptMax);
    }
  });

  test("is what a plain count says, for random comings and goings", () => {
    const addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:1::1"];
    const step = fc.record({
      address: fc.constantFrom(...addresses),
      leaves: fc.boolean(),
      ms: fc.nat(700),
    });
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const door = new Door({ addressConnectionsMax: 6, addressConnectRateMax: 2, connectRateMax: 0 });
      const inside = new Map<string, Release[]>();
      const unpaid = new Map<string, number>();
      for (const { address, leaves, ms } of steps) {
        door.now += ms;
        for (const [who, count] of unpaid) unpaid.set(who, Math.max(0, count - ms * 2 / 1000));
        const who = addressGroup(address);
        const there = inside.get(who) ?? [];
        inside.set(who, there);
        if (leaves) {
          there.shift()?.(door.now);
          continue;
        }
        const place = door.try(address);
        const count = unpaid.get(who) ?? 0;
        if (there.length >= 6) assertEquals(place, "limit/address-connections");
        // Sums of parts differ in their last digits.
        else if (count + 1 > 20 + 1e-6) assertEquals(place, "limit/address-connect-rate");
        else if (count + 1 < 20 - 1e-6) assert(typeof place === "function", `refused: ${place}`);
        if (typeof place !== "function") continue;
        there.push(place);
        unpaid.set(who, count + 1);
      }
      const present = [...inside.values()].filter(({ length }) => length > 0).length;
      assertEquals(door.addresses.sizes.present, present);
      for (const leave of [...inside.values()].flat()) leave(door.now);
      assertEquals(door.addresses.sizes.present, 0);
    }));
  });
});

test("each limit is a row of the table that 0 switches off, but the number of addresses that are kept", () => {
  for (
    const name of ["addressConnectionsMax", "addressConnectRateMax", "connectRateMax"] satisfies LimitName[]
  ) {
    assertEquals(LIMITS[name].least, 0);
  }
  const door = new Door({ addressConnectionsMax: 0, addressConnectRateMax: 0, connectRateMax: 0 });
  assertEquals(door.many(HOME, 10_000), 10_000);
});
