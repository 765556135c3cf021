/**
 * The parts of a broker that keep its state, as the files of packets reach them.
 * Knows their names; refuses to know their work.
 * @module
 */
import type { Busiest } from "./busiest.ts";
import type { Deliverer } from "./deliver.ts";
import type { Journal } from "./journal.ts";
import type { Nodes } from "./nodes.ts";
import type { Observer } from "./observer.ts";
import type { Router } from "./router.ts";
import type { SystemTopics } from "./system_topics.ts";
import type { Turn } from "./turn.ts";

/** One of each, made once for each broker. */
export interface Parts {
  /** The present time, and the work for the end of the turn. */
  readonly turn: Turn;
  /** Facts for the store, and links that wait until facts are safe. */
  readonly journal: Journal;
  /** Counts and hooks. */
  readonly observer: Observer;
  /** Messages to one session. */
  readonly deliverer: Deliverer;
  /** Subscriptions and retained messages. */
  readonly router: Router;
  /** `$SYS`, if there is any. */
  systemTopics?: SystemTopics;
  /** Other nodes of the same Server. */
  nodes?: Nodes;
  /** While an owner observes it. */
  busiest?: Busiest | undefined;
}
