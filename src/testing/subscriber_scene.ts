/**
 * One subscriber to everything, and a Server that publishes to it.
 * Knows how a test publishes and looks at what came of it; refuses to know which limits a test is about.
 * @module
 */
import type { BrokerOptions } from "../broker/options.ts";
import { Told } from "./assertions.ts";
import { type ConnectInit, Pair, type StubClient } from "./pair.ts";

/** The subscriber, and whatever happens to it. */
export interface SubscriberScene {
  readonly pair: Pair;
  readonly to: StubClient;
  readonly told: Told;
  /** The Server publishes each text to topic `a`, and the turn ends. */
  send(qos: 0 | 1 | 2, ...texts: string[]): void;
}

/** A Client `to` that subscribes to everything; at most `capacityBytes` are on their way to it. */
export function subscriberScene(
  init: ConnectInit = {},
  options: BrokerOptions = {},
  capacityBytes?: number,
): SubscriberScene {
  const told = new Told();
  const pair = new Pair({ ...options, hooks: told.hooks });
  const to = pair.connect(
    { clientId: "to", ...init },
    capacityBytes === undefined ? {} : { capacityBytes },
  );
  to.subscribe("#");
  const send: SubscriberScene["send"] = (qos, ...texts) => {
    for (const payload of texts) pair.broker.publish({ topic: "a", qos, payload }, pair.now);
    pair.settle();
  };
  return { pair, to, told, send };
}
