/**
 * §3.3.1.3 Where the retained messages for one subscription stand.
 * Knows the place; refuses to know the order of sending (retained_deliveries.ts).
 * @module
 */
import type { NameCursor } from "../topic/name_cursor.ts";
import { NONE } from "../topic/name_tree.ts";

/** The retained messages that one subscription is still to get. */
export class RetainedDelivery {
  /** Over the topics that its filter matches. */
  readonly walk: NameCursor;
  /** Where the walk stands, if the message of that topic waits for room. */
  node: number = NONE;
  /** The connection it began on has ended: QoS 0 is for a Client that was connected (§4.3.1). */
  isLost = false;
  /** Topics ahead whose message has been sent already. At most `queuedMessagesMax`; after that live messages may go first. */
  overtaken: Set<number> | undefined;

  /** Times that its filter stands once more in the same SUBSCRIBE: so often everything is sent again [MQTT-3.8.4-5]. */
  again: number;
  /** A message has been sent. */
  hasSent = false;

  constructor(walk: NameCursor, again = 0) {
    this.walk = walk;
    this.again = again;
  }
}
