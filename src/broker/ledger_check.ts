/**
 * The ledger compared with everything that it counts: for `Broker.assertInvariants()`.
 * Knows where things are held; refuses to know why.
 * @module
 */
import { invariant } from "../codec/error.ts";
import { SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import type { Delivery } from "./delivery.ts";
import { type Counted, OBJECT_BYTES } from "./ledger.ts";
import type { Nodes } from "./nodes.ts";
import type { Router } from "./router.ts";
import type { Session } from "./session.ts";
import type { Turn } from "./turn.ts";
import type { UserAccount } from "./users.ts";
import { willBytes } from "./will.ts";

/** Throws if a count of the ledger is wrong; `sessions` are all, also the ones that come to their end. Facts are compared by the journal. */
export function assertCounted(
  { ledger, pool }: Turn,
  connections: readonly Counted[],
  sessions: Iterable<Session>,
  router: Router,
  nodes: Nodes | undefined,
): void {
  const { groups, retained, topics, payloads } = router.counted();
  const found = {
    outgoing: 0,
    incoming: 0,
    messages: 0,
    retained,
    aliases: 0,
    wills: 0,
    subscriptions: groups + (nodes === undefined ? 0 : nodes.bytes),
    sessions: 0,
    connections: 0,
    topics,
  };
  let holders = payloads;
  for (const connection of connections) {
    const { incoming, outgoing, aliases, wills, sharedPieces } = connection.counted();
    found.connections += connection.ownBytes;
    found.incoming += incoming;
    found.outgoing += outgoing;
    found.aliases += aliases;
    found.wills += wills;
    holders += sharedPieces;
  }
  let shares = 0;
  // Each holder has its share of the message, so that no message is to be looked up.
  const hold = ({ message: { view, holders: all, counted } }: Delivery) => {
    found.messages += OBJECT_BYTES.delivery;
    const isLarge = counted! >= SHARED_PAYLOAD_BYTES;
    shares += (OBJECT_BYTES.message + (isLarge ? 0 : view.end - view.at)) / all!;
    if (isLarge) holders += 1 / all!;
  };
  let queued = 0;
  const accounts = new Set<UserAccount>();
  for (const session of sessions) {
    session.backlog?.each(hold);
    queued += session.queued;
    session.sender?.each((_id, _step, delivery) => delivery !== undefined && hold(delivery));
    found.wills += willBytes(session.pendingWill?.will);
    if (!session.ended) found.sessions += session.ownBytes;
    if (session.account !== undefined) accounts.add(session.account);
    found.subscriptions += session.subscriptions.size * OBJECT_BYTES.subscription + session.subscriptionBytes;
  }
  found.messages += Math.round(shares);
  found.sessions += accounts.size * OBJECT_BYTES.user;
  for (const [name, bytes] of Object.entries(found) as [keyof typeof found, number][]) {
    invariant(ledger[name] === bytes, `bytes of ${name}: counted ${ledger[name]}, found ${bytes}`);
  }
  invariant(
    ledger.queuedMessages === queued,
    `messages that wait: counted ${ledger.queuedMessages}, found ${queued}`,
  );
  invariant(pool.holders === Math.round(holders), "holders of payloads");
}
