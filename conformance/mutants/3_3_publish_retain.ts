/**
 * Breaks of §3.3.1.3.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const BATCH = "src/broker/batch.ts";
const ROUTER = "src/broker/router.ts";
const SUBSCRIBE = "src/broker/subscribe.ts";

const SET = "this.#retained.set(outgoing);";
const KEEPS = "if (goesAlone || (this.#isRetained && !this.#retainLast(topic, match))) {";

/** A message with RETAIN 0 is retained, depending on whether one was retained on its topic before. */
function retainedIf(condition: string): string {
  return `const known: Set<string> = ((globalThis as any).retainedNames ??= new Set());
    if (this.#isRetained) known.add(topic.name);
    else if (${condition}) router.retain(this.#outgoing(topic, count - 1));
    ${KEEPS}`;
}

/** For the cases of `cases/3_3_publish_retain.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { // the first one stays
    kills: "3.3.1/retained-is-kept",
    file: ROUTER,
    find: SET,
    replace: `this.#retained.findText(topic) >= 0 ? undefined : ${SET}`,
  },
  { // RETAIN 0 on what a subscription brings
    kills: "3.3.1/retained-is-kept",
    file: "src/broker/retained_deliveries.ts",
    find: "deliver(copy, session, qos, true, subscription",
    replace: "deliver(copy, session, qos, false, subscription",
  },
  {
    kills: "3.3.1/qos-0-retained-replaces",
    file: ROUTER,
    find: SET,
    replace: `view.qos === 0 ? undefined : ${SET}`,
  },
  { // the old one stays
    kills: "3.3.1/empty-payload-removes",
    file: ROUTER,
    find: "this.unretain(topic);\n      return undefined;",
    replace: "return undefined;",
  },
  { // it is not passed on
    kills: "3.3.1/empty-payload-removes",
    file: BATCH,
    find: "for (const target of match.targets) {",
    replace: "const isEmpty = this.#isRetained && this.#frameAt(0).payloadLength === 0;\n" +
      "    for (const target of isEmpty ? [] : match.targets) {",
  },
  {
    kills: "3.3.1/empty-payload-is-not-kept",
    file: ROUTER,
    find: "if (view.payloadLength === 0) {",
    replace: "if (view.payloadLength === 0 && this.#retained.findText(topic) >= 0) {",
  },
  {
    kills: "3.3.1/retain-0-is-not-kept",
    file: BATCH,
    find: KEEPS,
    replace: retainedIf("!known.has(topic.name)"),
  },
  {
    kills: "3.3.1/retain-0-replaces-nothing",
    file: BATCH,
    find: KEEPS,
    replace: retainedIf("known.has(topic.name)"),
  },
  {
    kills: "3.3.1/retain-handling-0",
    file: SUBSCRIBE,
    find: "const isWanted = request.retainHandling === 0 ||",
    replace: "const isWanted = (request.retainHandling === 0 && !isKnown) ||",
  },
  {
    kills: "3.3.1/retain-handling-1",
    file: SUBSCRIBE,
    find: "(request.retainHandling === 1 && !isKnown)",
    replace: "request.retainHandling === 1",
  },
  {
    kills: "3.3.1/retain-handling-2",
    file: SUBSCRIBE,
    find: "const isWanted = request.retainHandling === 0 ||",
    replace: "const isWanted = request.retainHandling !== 1 ||",
  },
  {
    kills: "3.3.1/live-without-retain-as-published",
    file: BATCH,
    find: "this.#isRetained && target.retainAsPublished;",
    replace: "this.#isRetained;",
  },
  {
    kills: "3.3.1/live-with-retain-as-published",
    file: BATCH,
    find: "this.#isRetained && target.retainAsPublished;",
    replace: "false;",
  },
];
