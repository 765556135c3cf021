/**
 * One data directory and everybody who uses it, over all the lives of its broker: load, death, return, and the final reckoning.
 * Knows Clients and models; refuses to know how a broker is started, and which death comes next.
 * @module
 */
import type { ProtocolLevel } from "../../../src/codec/mod.ts";
import { Dice } from "../soak/dice.ts";
import { markerTopic, Player, RETAINED_FILTERS, type Role, ROLES } from "./roles.ts";
import type { Client, World } from "./client.ts";
import type { Host } from "./host.ts";
import { Model } from "./model.ts";
import { readRetained } from "./reader.ts";
import { RetainedModel } from "./retained.ts";
import { Trace } from "./trace.ts";
import { WillModel } from "./wills.ts";
import { TCP, type Wire } from "./wire.ts";

/** Nothing happens for so long only if nothing will. */
const LIMIT_MS = 45_000;
/** Between two turns, and acts in each. */
const PACE_MS = 1;
const ACTS = 2;
/** A broker that loses a connection of itself is dead within this time, or has done wrong; on a busy machine its death takes long. */
const DEATH_MS = 30_000;
/** Wills with a delay up to this are waited for. */
const DELAY_MS_MAX = 1_000;

/** One. */
export class Directory implements World {
  readonly model: Model;
  readonly wills: WillModel;
  readonly retained: RetainedModel;
  readonly dice: Dice;
  readonly trace: Trace = new Trace();
  readonly wire: Wire;
  readonly levels: Map<number, ProtocolLevel> = new Map();
  life = 0;
  draining = false;
  /** Messages that were not acknowledged when the broker died, all lives together. */
  doubtful = 0;
  readonly problem: (text: string) => void;
  #problems: (text: string) => void;
  readonly #players: readonly Player[];
  #host: Host | undefined;
  #port = 0;
  #waiting: (() => void)[] = [];
  /** Who does not connect in this life. */
  #asleep: ReadonlySet<Player> = new Set();

  constructor(
    seed: number,
    problem: (text: string) => void,
    roles: readonly Role[] = ROLES,
    wire: Wire = TCP,
  ) {
    this.dice = new Dice(seed);
    this.wire = wire;
    this.#problems = problem;
    this.problem = (text) => {
      this.trace.note(`WRONG ${text}`);
      this.#problems(text);
    };
    this.model = new Model(this.problem);
    this.wills = new WillModel(this.model);
    this.retained = new RetainedModel(this.problem);
    this.#players = roles.map((role) => new Player(this, role));
  }

  /** From now on somebody else is told of what is wrong. */
  listen(problem: (text: string) => void): void {
    this.#problems = problem;
  }

  changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  lost(client: Client, words: string): void {
    const host = this.#host;
    if (host === undefined || host.dying) return;
    const timer = setTimeout(
      () => this.problem(`${client.id} lost its connection, the broker lives. ${words}`),
      DEATH_MS,
    );
    void host.over.then(() => clearTimeout(timer));
  }

  /** Whether this broker has begun, and not ended. */
  serves(host: Host): boolean {
    return this.#host === host && host.ended === undefined;
  }

  /** A broker serves the directory, until it ends; false if it has ended before it did. */
  async begin(host: Host): Promise<boolean> {
    this.#host = host;
    this.restarted();
    void host.over.then(() => this.changed());
    const port = await host.port();
    if (port === undefined) return false;
    this.#port = port;
    return true;
  }

  /** A broker serves the directory from now on. */
  restarted(): void {
    this.life++;
    this.retained.restarted();
    this.trace.note(`Life ${this.life} begins`);
  }

  /** Chooses who does not connect. */
  wake(): void {
    const { dice } = this;
    this.#asleep = new Set(this.#players.filter(({ role }) => dice.chance(role.sleeps ?? 0)));
  }

  /** Everybody who is awake comes and asks for what is missing, and some act. */
  step(): void {
    for (const player of this.#players) {
      if (this.#asleep.has(player)) continue;
      if (player.client.free && !this.#host?.dying) player.client.connect(this.#port);
      else if (player.client.state === "open") player.settleDown((filter) => this.#state(player, filter));
    }
    for (let i = 0; i < ACTS; i++) {
      const player = this.dice.pick(this.#players);
      if (player.client.state === "open") player.act(this.dice);
    }
  }

  /** Loads the broker, until it is over or so much time has passed. */
  async load(ms: number): Promise<void> {
    const host = this.#host!;
    const end = performance.now() + ms;
    this.wake();
    if (this.dice.chance(70)) void this.#read();
    while (host.ended === undefined && performance.now() < end) {
      this.step();
      await Promise.race([host.over, pause(PACE_MS)]);
    }
  }

  #state(player: Player, filter: string): "there" | "gone" | "maybe" {
    return this.model.subscription(player.client.id, filter);
  }

  #read(): Promise<boolean> {
    return readRetained(this.#port, RETAINED_FILTERS, this.retained, this.problem);
  }

  /** The broker is over: waits until everybody has noticed. */
  async mourn(): Promise<void> {
    await this.#host!.over;
    this.trace.note(`Life ${this.life} is over`);
    this.#host = undefined;
    for (const { client } of this.#players) this.doubtful += client.outgoing.unanswered;
    await this.#until(() => this.#players.every(({ client }) => client.free), "every connection is over");
  }

  /** Loses all connections at once. */
  cutAll(): void {
    for (const { client } of this.#players) client.cut();
  }

  /** Everybody comes, and everything that is owed must come; false if the broker ended before, or something did not. */
  async drain(): Promise<boolean> {
    this.draining = true;
    try {
      return await this.#drain();
    } finally {
      this.draining = false;
    }
  }

  async #drain(): Promise<boolean> {
    const all = this.#players;
    const settled = (player: Player): boolean => {
      const { client } = player;
      if (client.free) client.connect(this.#port);
      client.acknowledge();
      return player.settleDown((filter) => this.#state(player, filter)) && client.state === "open" &&
        client.idle;
    };
    const quiet = (players: readonly Player[]) => () =>
      players.map(settled).every((is) => is) && this.model.owed === 0;
    const present = all.filter(({ client }) => !this.#staysAway(client));
    if (!await this.#until(quiet(present), "all messages have come")) return false;
    if (!await this.#until(quiet(all), "everybody has come")) return false;
    for (const { client } of all) { // what stands behind everything that waits says that it has come
      if (!client.traits.isPassing) all[0]!.client.publish({ topic: markerTopic(client.id), qos: 2 });
    }
    if (!await this.#until(quiet(all), "everything has come")) return false;
    if (!await this.#read()) return this.#gone();
    const pongs = await Promise.all(all.map(({ client }) => client.ping()));
    if (!pongs.every((is) => is)) return this.#gone();
    this.model.settled();
    return true;
  }

  /**
   * Everybody comes and gets what there is, of a broker that may have forgotten things; says what is missing. False if it
   * ended before.
   */
  async collect(): Promise<boolean> {
    this.draining = true;
    const all = this.#players;
    const here = all.filter(({ client }) => !client.traits.isPassing).map(({ client }) => client);
    const come = (): boolean =>
      all.map((player) => {
        const { client } = player;
        if (client.free) client.connect(this.#port);
        client.acknowledge();
        return client.state === "open" && player.settleDown((filter) => this.#state(player, filter));
      }).every((is) => is);
    if (!await this.#until(() => come() && all[0]!.client.outgoing.idle, "everybody has come")) return false;
    const markers = here.map(({ id }) => {
      all[0]!.client.publish({ topic: markerTopic(id), qos: 2 });
      return [id, this.levels.size] as const;
    });
    const isBehind = (): boolean => markers.every(([id, serial]) => this.model.got(id, serial));
    if (!await this.#until(() => come() && isBehind(), "what stands behind everything has come")) {
      return false;
    }
    this.model.settled();
    return true;
  }

  /** Whether this Client must stay away for its will to be published; if so, it must be. */
  #staysAway(client: Client): boolean {
    const stays = client.free && this.wills.waits(client.id, DELAY_MS_MAX);
    if (stays) this.wills.demand(client.id);
    return stays;
  }

  /** A connection was lost: the broker is over, or will be. */
  async #gone(): Promise<boolean> {
    await Promise.race([this.#host!.over, pause(DEATH_MS)]);
    return false;
  }

  /** Everybody says good-bye, so that nothing is left to do. */
  async leave(): Promise<void> {
    this.draining = true; // who leaves keeps its session
    for (const { client } of this.#players) client.leave();
    await this.#until(() => this.#players.every(({ client }) => client.free), "every connection is over");
  }

  /** Waits for a condition that changes with what Clients do; false if the broker ended before, or (a problem) in vain. */
  async #until(condition: () => boolean, what: string): Promise<boolean> {
    let end = performance.now() + LIMIT_MS;
    const last = end + MOST_LIMITS * LIMIT_MS;
    while (!condition()) {
      const host = this.#host;
      if (host?.ended !== undefined) return false;
      const left = end - performance.now();
      if (left <= 0) {
        const open = this.#players.filter(({ client }) => !client.idle || client.state !== "open");
        const names = open.map(({ client }) => `${client.id} (${client.state})`).join(", ");
        this.problem(
          `Not in time: ${what}; ${this.model.owed} messages are owed, not idle: ${names || "nobody"}`,
        );
        this.model.settled();
        return false;
      }
      const goesOn = await Promise.race([
        new Promise<boolean>((resolve) => this.#waiting.push(() => resolve(true))),
        pause(Math.min(left, 100)).then(() => false),
      ]);
      if (goesOn) end = Math.min(performance.now() + LIMIT_MS, last); // however busy the machine is
    }
    return true;
  }
}

/** So many times the usual limit is waited as long as something happens. */
const MOST_LIMITS = 4;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
