/**
 * Who connects to a broker of the crash matrix, to which filters each subscribes, and what each publishes.
 * Knows roles; refuses to know when anything is done.
 *
 * Topics: `t/…` for everybody, `s/…` for groups alone, so that their copies are known; `r/CLIENT/…` retained, `c/CLIENT/…`
 * retained and removed again, each by one Client only, and at QoS 1 or 2 but not both; `w/CLIENT` wills;
 * `d/CLIENT` for it alone.
 * @module
 */
import type { QoS } from "../../../src/codec/mod.ts";
import type { Dice } from "../soak/dice.ts";
import { Client, type PublishInit, type Traits, type World } from "./client.ts";

/** One of them. */
export interface Role {
  readonly id: string;
  readonly traits: Traits;
  /** Filters that it never gives up. */
  readonly filters: Readonly<Record<string, QoS>>;
  /** Percent of lives in which it does not connect. */
  readonly sleeps?: number;
  /** Filters that come, change and go. */
  readonly fickle?: readonly string[];
  /** It never publishes. */
  readonly silent?: boolean;
  /** Percent of its turns in which it ends its connection. */
  readonly restless?: number;
}

/** Everybody. */
export const ROLES: readonly Role[] = [
  { id: "all", traits: { level: 5 }, filters: { "t/#": 2, "w/#": 2 } },
  { id: "plain", traits: { level: 4 }, filters: { "t/+": 1, "w/+": 1 }, restless: 3 },
  {
    id: "narrow",
    traits: { level: 5, receiveMaximum: 2, late: true, identifiers: true },
    filters: { "t/+": 2, "t/1": 1, "w/#": 2 },
  },
  {
    id: "late",
    traits: { level: 4, late: true },
    filters: { "t/0": 2, "t/1/x": 2 },
    restless: 3,
  },
  {
    id: "sleeper",
    traits: { level: 5, receiveMaximum: 20, identifiers: true },
    filters: { "t/1": 2, "r/#": 2, "w/#": 1 },
    sleeps: 60,
  },
  { id: "old-sleeper", traits: { level: 4 }, filters: { "t/0": 2, "t/2": 1 }, sleeps: 60 },
  {
    id: "first",
    traits: { level: 5, receiveMaximum: 3, late: true, aliases: true },
    filters: { "$share/g/s/+": 2 },
    restless: 4,
  },
  { id: "second", traits: { level: 4 }, filters: { "$share/g/s/+": 2 }, sleeps: 20 },
  { id: "third", traits: { level: 5, aliases: true, identifiers: true }, filters: { "$share/h/s/#": 1 } },
  {
    id: "fickle",
    traits: { level: 5, receiveMaximum: 10, identifiers: true },
    filters: { "t/0": 1 },
    fickle: ["t/1", "t/2", "t/+", "+/1/x"],
    restless: 2,
  },
  { id: "old-fickle", traits: { level: 4, late: true }, filters: {}, fickle: ["t/#", "t/2"] },
  {
    id: "mortal",
    traits: { level: 5, will: { topic: "w/mortal", delays: [0, 0, 0, 1, 3_600] } },
    filters: {},
    silent: true,
    restless: 25,
  },
  {
    id: "old-mortal",
    traits: { level: 4, will: { topic: "w/old-mortal", delays: [0] } },
    filters: {},
    restless: 10,
  },
  {
    id: "mayfly",
    traits: { level: 5, isMayfly: true, receiveMaximum: 5 },
    filters: { "t/2": 2 },
    silent: true,
    restless: 15,
  },
  {
    id: "passing",
    traits: { level: 5, isPassing: true, will: { topic: "w/passing", delays: [0] } },
    filters: {},
    silent: true,
    restless: 10,
  },
];

/** The filters of all retained messages. */
export const RETAINED_FILTERS = ["r/#", "c/#"] as const;

/** Where a Client finds a message that stands behind all others. */
export function markerTopic(id: string): string {
  return `d/${id}`;
}

/** A member of the cast. */
export class Player {
  readonly role: Role;
  readonly client: Client;

  constructor(world: World, role: Role) {
    this.role = role;
    this.client = new Client(world, role.id, role.traits);
  }

  /** Filters that it never gives up; one of them is for it alone. */
  get filters(): Readonly<Record<string, QoS>> {
    const { filters, id, traits } = this.role;
    return traits.isPassing ? filters : { ...filters, [markerTopic(id)]: 1 };
  }

  /** Subscribes to what is missing of them; whether all are there. */
  settleDown(state: (filter: string) => "there" | "gone" | "maybe"): boolean {
    let isSettled = true;
    for (const [filter, qos] of Object.entries(this.filters)) {
      const is = state(filter);
      if (is !== "there") this.client.request(filter, qos);
      if (is !== "there") isSettled = false;
    }
    return isSettled;
  }

  /** Does one thing or another. */
  act(dice: Dice): void {
    const { client, role } = this;
    client.acknowledge(dice.below(6));
    if (dice.chance(role.restless ?? 1)) return this.#end(dice);
    if (role.fickle !== undefined && dice.chance(40)) {
      client.request(dice.pick(role.fickle), dice.chance(65) ? dice.pick([0, 1, 2]) : undefined);
    }
    if (role.silent) return;
    for (let i = dice.between(0, 5); i > 0; i--) client.publish(this.#message(dice));
  }

  #end(dice: Dice): void {
    const how = dice.below(10);
    if (how < 4) this.client.cut();
    else this.client.leave(how > 7);
  }

  #message(dice: Dice): PublishInit {
    const qos = dice.pick([0, 1, 1, 2, 2] as const);
    const padding = dice.chance(3) ? 20_000 : dice.below(200);
    const kind = dice.below(10);
    if (kind < 6) return { topic: dice.pick(["t/0", "t/1", "t/2", "t/1/x"]), qos, padding };
    if (kind < 8) return { topic: dice.pick(["s/0", "s/1"]), qos, padding };
    const clear = kind === 9 && dice.chance(40);
    const topic = `${kind === 9 ? "c" : "r"}/${this.role.id}/${qos === 0 ? dice.between(1, 2) : qos}`;
    return { topic, qos, padding, retain: true, clear };
  }
}
