/**
 * §4.7 The topic tree's share, at four sizes, and the memory of known topics before it.
 * Knows trees full of filters; refuses to know who subscribes.
 * @module
 */
import { KnownTopics } from "../../../src/broker/known_topics.ts";
import type { Subscriber } from "../../../src/broker/match.ts";
import { type Session, Subscription } from "../../../src/broker/session.ts";
import { encodeUtf8 } from "../../../src/codec/mod.ts";
import { FilterTree } from "../../../src/topic/tree.ts";
import { seededRandom } from "../../../src/engine/random.ts";
import { type Bench, type MicroCase, must, sink } from "./bench.ts";

const SIZES = [1, 1_000, 100_000, 1_000_000];
/** Topics that are asked for in turn, spread over the whole tree, so that it is not all in the processor's cache. */
const ASKED = 1_024;
const SITES = 1_000;

/** One in ten ends in a wildcard. */
function isWild(i: number): boolean {
  return i % 10 === 9;
}

function filterAt(i: number): string {
  return `site/${i % SITES}/device-${i}/${isWild(i) ? "+" : "state"}`;
}

interface Forest {
  readonly size: number;
  readonly tree: FilterTree<number>;
}

/** The last tree, which several cases share; a second large one would cost the memory of a small machine. */
let forest: Forest | undefined;

function treeOf(size: number, only?: string): FilterTree<number> {
  if (only !== undefined) {
    const tree = new FilterTree<number>();
    tree.add(only, 0);
    return tree;
  }
  if (forest?.size !== size) {
    forest = undefined;
    const tree = new FilterTree<number>();
    for (let i = 0; i < size; i++) tree.add(filterAt(i), i);
    forest = { size, tree };
  }
  return forest.tree;
}

/** `found` values for each topic. */
function matching(tree: FilterTree<number>, topics: readonly string[], found: number): Bench {
  const out: number[] = [];
  let at = 0;
  return {
    run(times) {
      let sum = 0;
      let values = 0;
      for (let i = 0; i < times; i++) {
        tree.match(topics[at]!, out);
        at = at + 1 === topics.length ? 0 : at + 1;
        values += out.length;
        if (out.length > 0) sum += out[0]!;
        out.length = 0;
      }
      must(values === found * times, `${found} filters match each topic`);
      return sum + values + 1;
    },
  };
}

/** Topics that filters `i` with `wild` match, spread over the tree. */
function askedFor(size: number, wild: boolean): string[] {
  const topics: string[] = [];
  const step = Math.max(1, Math.floor(size / ASKED));
  for (let i = 0; i < size && topics.length < ASKED; i += step) {
    const near = wild ? i - i % 10 + 9 : isWild(i) ? i - 1 : i;
    if (near < size) topics.push(`site/${near % SITES}/device-${near}/state`);
  }
  return topics;
}

function treeCases(size: number): MicroCase[] {
  const name = size.toLocaleString("en");
  const missing = Array.from({ length: ASKED }, (_, i) => `site/${i % SITES}/device-x${i}/state`);
  const single = size === 1;
  return [
    { name: `match/${name} filters, exact`, make: () => matching(treeOf(size), askedFor(size, false), 1) },
    {
      name: `match/${name} filters, wildcard`,
      make: () =>
        single
          ? matching(treeOf(1, "site/+/device-0/state"), askedFor(1, false), 1)
          : matching(treeOf(size), askedFor(size, true), 1),
    },
    { name: `match/${name} filters, miss`, make: () => matching(treeOf(size), missing, 0) },
    {
      name: `subscribe/${name} filters, add and remove one`,
      make: () => {
        const tree = treeOf(size);
        return {
          run(times) {
            for (let i = 0; i < times; i++) {
              tree.add("site/7/device-new/state", -1);
              tree.remove("site/7/device-new/state", -1);
            }
            return tree.size;
          },
        };
      },
    },
  ];
}

const KNOWN_MAX = 65_536;

/** Known topics with one subscriber each for `topics` names. */
function known(topics: number): { topics: KnownTopics; names: Uint8Array[] } {
  const tree = new FilterTree<Subscriber>();
  const names: Uint8Array[] = [];
  for (let i = 0; i < topics; i++) {
    const name = `site/${i % SITES}/device-${i}/state`;
    tree.add(name, new Subscription({} as Session, name));
    names.push(encodeUtf8(name)!);
  }
  return { topics: new KnownTopics(tree, KNOWN_MAX), names };
}

function lookingUp(count: number, random = false): Bench {
  const { topics, names } = known(count);
  let at = 0;
  if (random) {
    const next = seededRandom(1);
    for (let i = 0; i < count; i++) names.push(names[next() % count]!);
    names.splice(0, count);
  }
  for (const name of names) topics.match(topics.find(name, 0, name.length));
  return {
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        const name = names[at]!;
        at = at + 1 === count ? 0 : at + 1;
        sum += topics.match(topics.find(name, 0, name.length)).targets.length;
      }
      must(sum === times, "each topic has its subscriber");
      return sum;
    },
  };
}

/** A name that has never been: it is decoded, walked for, and remembered in the place of another. */
function neverSeen(): Bench {
  const { topics } = known(1_000);
  const name = encodeUtf8("site/7/device-000000000/state")!;
  let serial = 0;
  return {
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        let rest = serial++;
        for (let at = 22; at >= 14; at--) {
          name[at] = 0x30 + rest % 10;
          rest = Math.floor(rest / 10);
        }
        const topic = topics.find(name, 0, name.length);
        sum += topic.levels + topics.match(topic).targets.length;
      }
      return sum;
    },
  };
}

/** A wildcard subscription to `filter` comes or goes between two messages. */
function changing(filter: string): Bench {
  const { topics, names } = known(64);
  let at = 0;
  return {
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        const name = names[at++ & 63]!;
        topics.changed(filter, true);
        const match = topics.match(topics.find(name, 0, name.length));
        sink.value = match;
        sum += match.targets.length;
      }
      must(sum === times, "each topic has its subscriber");
      return sum;
    },
  };
}

/** All of them. */
export const TOPIC_CASES: readonly MicroCase[] = [
  { name: "known/64 topics in turn", make: () => lookingUp(64) },
  { name: "known/50,000 topics in turn", make: () => lookingUp(50_000) },
  { name: "known/50,000 topics at random", make: () => lookingUp(50_000, true) },
  { name: "known/200,000 topics in turn", make: () => lookingUp(200_000) },
  { name: "known/200,000 topics at random", make: () => lookingUp(200_000, true) },
  { name: "known/never seen", make: neverSeen },
  { name: "known/a wildcard subscription changed", make: () => changing("site/+/x") },
  { name: "known/a wildcard subscription of another device changed", make: () => changing("site/999/x/#") },
  ...SIZES.flatMap(treeCases),
];
