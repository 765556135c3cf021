/**
 * Several nodes that are one Server, each with its links to all others, under one virtual time.
 * Knows how they are joined and cut; refuses to know what they should do.
 * @module
 */
import type { BrokerOptions } from "../broker/mod.ts";
import { homeOf, nodesPart, type NodeStats, type OneOfNodes } from "../nodes/mod.ts";
import { type MemoryOptions, type MemoryPair, memoryPair } from "../transport/memory.ts";
import type { Effects } from "./effects.ts";
import { Pair } from "./pair.ts";

/** A Client Identifier whose home is the node in that place of so many. */
export function idOf(place: number, nodes: number, prefix = "c"): string {
  for (let i = 0;; i++) if (homeOf(`${prefix}${i}`, nodes) === place) return `${prefix}${i}`;
}

/** How the nodes of a world are made. */
export interface NodesWorldOptions {
  /** Default 2. */
  readonly nodes?: number;
  /** Messages wait for a node whose link is cut; default false. */
  readonly keeps?: boolean;
  /** Of one node. */
  readonly broker?: (place: number) => BrokerOptions;
  /** Bytes between nodes move only when somebody steps `ways`; then nobody looks at invariants who does not ask for that. */
  readonly byHand?: boolean;
  /** Of the ways between nodes. */
  readonly memory?: MemoryOptions;
  /** Told what the nodes do with their connections; then invariants are not looked at. */
  readonly effects?: Effects | undefined;
  /** A node has told another one all of its routes and retained messages. */
  readonly inStep?: (place: number, name: string) => void;
}

/** Bytes on their way between two nodes: those of a link, or of a Client that `from` relays to its home. */
export interface NodesWay {
  readonly from: number;
  readonly to: number;
  readonly isRelay: boolean;
  readonly pair: MemoryPair;
}

/** All nodes of one Server. */
export class NodesWorld {
  readonly nodes: Pair[] = [];
  readonly #parts: OneOfNodes[] = [];
  readonly #links: Map<string, NodesWay> = new Map();
  readonly #relays: Set<NodesWay> = new Set();
  readonly #options: NodesWorldOptions;
  /** By the places of nodes. */
  readonly #incarnations: string[] = [];
  #starts = 0;
  #isSettling = false;

  constructor(options: NodesWorldOptions = {}) {
    this.#options = options;
    const { nodes = 2 } = options;
    for (let place = 0; place < nodes; place++) this.#start(place, nodes);
    this.linkAll();
  }

  /** The names of `count` nodes. */
  static names(count: number): string[] {
    return Array.from({ length: count }, (_, place) => `n${place}`);
  }

  #start(place: number, count: number): void {
    const all = NodesWorld.names(count);
    const part = nodesPart({
      name: all[place]!,
      all,
      keeps: this.#options.keeps ?? false,
      inStep: (name) => this.#options.inStep?.(place, name),
      relay: (to, { peer }) => {
        const pair = memoryPair(this.#options.memory);
        const home = all.indexOf(to);
        this.#relays.add({ from: place, to: home, isRelay: true, pair });
        this.nodes[home]!.relayed(pair.right, peer);
        return pair.left;
      },
    });
    const pair = new Pair({ ...this.#options.broker?.(place), nodes: part }, this.nodes[0]?.now);
    pair.together = this;
    pair.watched = this.#options.effects;
    pair.isChecked = this.#options.byHand !== true;
    this.nodes[place] = pair;
    this.#parts[place] = part;
    this.#incarnations[place] = `${++this.#starts}`;
  }

  /** How a node sees the others. */
  stats(place: number): readonly NodeStats[] {
    return this.#parts[place]!.stats;
  }

  /** What is not settled at a node: rounds, claims, Client Identifiers that others hold. */
  waiting(place: number): number {
    return this.#parts[place]!.waiting;
  }

  /** Joins every two nodes that have no link. */
  linkAll(): void {
    for (let one = 0; one < this.nodes.length; one++) {
      for (let other = one + 1; other < this.nodes.length; other++) this.link(one, other);
    }
  }

  /** Joins two nodes, unless they have a link. */
  link(one: number, other: number): void {
    const key = `${one} ${other}`;
    if (this.#links.has(key)) return;
    const pair = memoryPair(this.#options.memory);
    this.#links.set(key, { from: one, to: other, isRelay: false, pair });
    this.nodes[one]!.link(pair.left, `n${other}`, this.#incarnations[other]!);
    this.nodes[other]!.link(pair.right, `n${one}`, this.#incarnations[one]!);
    this.settle();
  }

  /** Breaks the link of two nodes, whose transports are over at once. */
  cut(one: number, other: number): void {
    const key = one < other ? `${one} ${other}` : `${other} ${one}`;
    const way = this.#links.get(key);
    if (way === undefined) return;
    this.#links.delete(key);
    way.pair.left.abort();
    way.pair.deliver();
    this.settle();
  }

  /** A node ends without a word, with all its connections, and a new one takes its place. Its Clients see nothing. */
  restart(place: number): Pair {
    const dead = this.nodes[place]!;
    dead.together = { settle() {} };
    this.#start(place, this.nodes.length);
    for (const way of this.#relays) {
      if (way.from !== place && way.to !== place) continue;
      this.#relays.delete(way);
      (way.from === place ? way.pair.left : way.pair.right).abort();
      way.pair.deliver();
    }
    for (let other = 0; other < this.nodes.length; other++) if (other !== place) this.cut(place, other);
    return this.nodes[place]!;
  }

  /** All ways between nodes on which there may be something to move. */
  get ways(): readonly NodesWay[] {
    return [...this.#links.values(), ...this.#relays];
  }

  /** Has everything settle at all nodes and, unless that is done by hand, on all links. */
  settle(): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      for (let moved = true; moved;) {
        moved = false;
        for (const node of this.nodes) if (node.settleAlone()) moved = true;
        if (this.#options.byHand === true) continue;
        for (const { pair } of this.ways) while (pair.step()) moved = true;
      }
    } finally {
      this.#isSettling = false;
    }
  }

  /** Moves all there is by hand, until nothing moves. */
  drain(): void {
    for (let goesOn = true; goesOn;) {
      goesOn = false;
      this.settle();
      for (const { pair } of this.ways) while (pair.step()) goesOn = true;
    }
  }

  /** Lets time go on at all nodes, by the deadlines of each. */
  advance(ms: number): void {
    const until = this.nodes[0]!.now + ms;
    this.settle();
    for (const node of this.nodes) {
      while (node.tick(until)) this.settle();
      node.now = until;
    }
    this.settle();
  }
}
