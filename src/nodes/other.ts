/**
 * Another node of the same Server, as this one knows it: its session, its link, and what it has not acknowledged.
 * Knows one node; refuses to know which messages are for it.
 * @module
 */
import type { NodeLink } from "../broker/nodes.ts";
import type { Serving, Session } from "../broker/session.ts";
import { Queue } from "../delivery/queue.ts";
import { Step } from "../delivery/sender.ts";
import type { RoutePacket } from "./routes.ts";

/** One other node. What it is sent is acknowledged in the order in which it is sent. */
export class Other {
  /** Its name. */
  readonly name: string;
  /** Its place among all nodes. */
  readonly place: number;
  /** What it subscribes to here, and the messages on their way to it and from it. */
  readonly session: Session;
  /** Another one each time it starts; undefined before its first link. */
  incarnation: string | undefined;
  /** Its link; undefined while there is none. */
  link: NodeLink | undefined;
  /** The same as it is open. */
  open: Serving | undefined;
  /** What it has acknowledged since this node started. */
  acknowledged = 0;
  /** QoS 2 exchanges that it has acknowledged by PUBREC and that are not over. */
  released = 0;
  /** Its Topic Filters since the link began; undefined once it has told all of them. */
  routesTold: Set<string> | undefined;
  /** What it is to be told of routes, while as many Packet Identifiers are in use for that as may be. */
  readonly routes: Queue<RoutePacket | "all"> = new Queue();
  /** It has told of all messages that it is to keep retained here. */
  isInStep = false;

  constructor(name: string, place: number, session: Session) {
    this.name = name;
    this.place = place;
    this.session = session;
  }

  /** What it has been sent and not acknowledged, what waits for its link among it. */
  get outstanding(): number {
    const { sender, queued } = this.session;
    return (sender === undefined ? 0 : sender.open - this.released) + queued + this.routes.length;
  }

  /** The count of `acknowledged` at which it will have acknowledged all that it has been sent so far. */
  get target(): number {
    return this.acknowledged + this.outstanding;
  }

  /** The link is over: SUBSCRIBE and UNSUBSCRIBE packets on their way are not answered any more. */
  forgetRequests(): void {
    const { sender } = this.session;
    this.acknowledged += this.routes.clear().length;
    if (sender === undefined) return;
    const open: number[] = [];
    sender.each((id, step) => {
      if (step === Step.SUBACK || step === Step.UNSUBACK) open.push(id);
    });
    for (const id of open) sender.end(id);
    this.acknowledged += open.length;
  }
}
