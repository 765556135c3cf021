/**
 * The ledger compared with everything that it counts: for `Broker.assertInvariants()`.
 * Knows where things are held; refuses to know why.
 * @module
 */
import { invariant } from "../codec/error.ts";
import { type Message, SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import type { Connection } from "./connection.ts";
import { OBJECT_BYTES } from "./ledger.ts";
import type { Router } from "./router.ts";
import type { Session } from "./session.ts";
import type { Turn } from "./turn.ts";
import { willBytes } from "./will.ts";

/**
 * Throws if a count of the ledger is wrong. `sessions` are all that have not ended, `subscribed` all that have subscriptions. Facts are
 * compared by the journal.
 */
export function assertCounted(
  { ledger, pool }: Turn,
  connections: readonly Connection[],
  sessions: Iterable<Session>,
  subscribed: Iterable<Session>,
  router: Router,
): void {
  const { groups, retained, topics, payloads } = router.counted();
  const found = {
    outgoing: 0,
    incoming: 0,
    messages: 0,
    retained,
    aliases: 0,
    wills: 0,
    subscriptions: groups,
    sessions: 0,
    connections: connections.length * OBJECT_BYTES.connection,
    topics,
  };
  let holders = payloads;
  for (const connection of connections) {
    const { incoming, outgoing, aliases, wills, sharedPieces } = connection.counted();
    found.incoming += incoming;
    found.outgoing += outgoing;
    found.aliases += aliases;
    found.wills += wills;
    holders += sharedPieces;
  }
  const messages = new Map<Message, number>();
  const hold = (message: Message) => void messages.set(message, (messages.get(message) ?? 0) + 1);
  for (const session of sessions) {
    session.backlog?.each(({ message }) => hold(message));
    session.sender?.each((_id, _step, delivery) => delivery !== undefined && hold(delivery.message));
    found.wills += willBytes(session.pendingWill?.will);
    found.sessions += session.ownBytes;
  }
  for (const { subscriptions, subscriptionBytes } of subscribed) {
    found.subscriptions += subscriptions.size * OBJECT_BYTES.subscription + subscriptionBytes;
  }
  for (const [{ view, holders: counted }, count] of messages) {
    invariant(counted === count, "holders of a message");
    found.messages += OBJECT_BYTES.message + count * OBJECT_BYTES.delivery;
    if (view.payloadLength >= SHARED_PAYLOAD_BYTES) holders++;
    else found.messages += view.end - view.at;
  }
  for (const [name, bytes] of Object.entries(found) as [keyof typeof found, number][]) {
    invariant(ledger[name] === bytes, `bytes of ${name}: counted ${ledger[name]}, found ${bytes}`);
  }
  invariant(pool.holders === holders, "holders of payloads");
}
