/**
 * Breaks of §3.3.1.3.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const PUBLISH = "src/broker/publish.ts";
const SUBSCRIBE = "src/broker/subscribe.ts";

const AIM = "view.aim(bytes, at, body, end, connection.level === 5);";

/** A message is taken for one with RETAIN 1, depending on what is retained already. */
function retainedIf(condition: string): string {
  return `const name = bytes.subarray(body + 2, body + 2 + (bytes[body]! << 8 | bytes[body + 1]!));
  if (broker.retained.match(new TextDecoder().decode(name)).${condition}) bytes[at]! |= 1;
  ${AIM}`;
}

/** For the cases of `cases/3_3_publish_retain.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { // the first one stays
    kills: "3.3.1/retained-is-kept",
    file: PUBLISH,
    find: "const limit = broker.retained.set(outgoing);",
    replace: "const limit = broker.retained.match(topic).length > 0 ? undefined : " +
      "broker.retained.set(outgoing);",
  },
  { // RETAIN 0 on what a subscription brings
    kills: "3.3.1/retained-is-kept",
    file: "src/broker/replay.ts",
    find: "deliver(broker, copy, session, qos, true, subscription",
    replace: "deliver(broker, copy, session, qos, false, subscription",
  },
  {
    kills: "3.3.1/qos-0-retained-replaces",
    file: PUBLISH,
    find: "if (view.retain) {",
    replace: "if (view.retain && (view.qos > 0 || view.payloadLength === 0)) {",
  },
  { // the old one stays
    kills: "3.3.1/empty-payload-removes",
    file: PUBLISH,
    find: "if (view.payloadLength === 0) {",
    replace: "if (view.payloadLength === 0) return undefined;\n  if (view.payloadLength === 0) {",
  },
  { // it is not passed on
    kills: "3.3.1/empty-payload-removes",
    file: PUBLISH,
    find: "const receivers = match.empty ?",
    replace: "const receivers = match.empty || (view.retain && view.payloadLength === 0) ?",
  },
  {
    kills: "3.3.1/empty-payload-is-not-kept",
    file: PUBLISH,
    find: "if (view.payloadLength === 0) {",
    replace: "if (view.payloadLength === 0 && broker.retained.match(topic).length > 0) {",
  },
  {
    kills: "3.3.1/retain-0-is-not-kept",
    file: PUBLISH,
    find: AIM,
    replace: retainedIf("length === 0"),
  },
  {
    kills: "3.3.1/retain-0-replaces-nothing",
    file: PUBLISH,
    find: AIM,
    replace: retainedIf("length > 0"),
  },
  {
    kills: "3.3.1/retain-handling-0",
    file: SUBSCRIBE,
    find: "const wanted = request.retainHandling === 0 ||",
    replace: "const wanted = (request.retainHandling === 0 && !known) ||",
  },
  {
    kills: "3.3.1/retain-handling-1",
    file: SUBSCRIBE,
    find: "(request.retainHandling === 1 && !known)",
    replace: "request.retainHandling === 1",
  },
  {
    kills: "3.3.1/retain-handling-2",
    file: SUBSCRIBE,
    find: "const wanted = request.retainHandling === 0 ||",
    replace: "const wanted = request.retainHandling !== 1 ||",
  },
  {
    kills: "3.3.1/live-without-retain-as-published",
    file: PUBLISH,
    find: "const kept = retain && subscription.retainAsPublished;",
    replace: "const kept = retain;",
  },
  {
    kills: "3.3.1/live-with-retain-as-published",
    file: PUBLISH,
    find: "const kept = retain && subscription.retainAsPublished;",
    replace: "const kept = false;",
  },
];
