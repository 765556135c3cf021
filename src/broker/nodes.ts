/**
 * Other nodes of the same Server, as far as the files of packets know them: what they are told, and what waits for them.
 * Knows the calls; refuses to know links, routes and homes (src/nodes). Without other nodes there is none of it.
 * @module
 */
import type { Message } from "../delivery/message.ts";
import type { Connect } from "../codec/packet.ts";
import type { PublishView } from "../codec/publish_view.ts";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";
import type { TopicFilter } from "../topic/filter.ts";
import type { Delivery } from "./delivery.ts";
import type { NodeHolds } from "./journal.ts";
import type { Counted } from "./ledger.ts";
import type { Serving, Session } from "./session.ts";
import type { Policy } from "./policy.ts";
import type { Refusal } from "./refusal.ts";
import type { SharedGroup } from "./shared.ts";

/** §3.3.2.3.8 On a link: the Subscription Identifier of what is told to a node and not to Clients. Groups have higher ones. */
export const TOLD = 1;

/** §4.8.2 On a link: no group has the number that a message came with, as it is that of an earlier time. */
export const NO_GROUP = 0x83;

/** §3.3.1.3 A message to be retained. */
export type Given = Pick<Message, "view" | "expiresAt" | "publisher">;

/** A connection that is a link. */
export interface NodeLink extends Counted {
  /** Another one takes its place: nothing of it counts any more. */
  abandon(): void;
}

/** The phase of a connection whose session lives at another node. */
export interface Relay {
  readonly kind: "relaying";
  /** Bytes that are kept of what came from the Client, or for it. */
  readonly keptBytes: number;
  /** The Client has sent bytes. */
  sent(chunk: Uint8Array): void;
  /** The Client's transport can take more. */
  clientDrained(): void;
  /** The Client's transport is over, or is to be: that is all for the home too. */
  end(): void;
}

/** §3.1.3.1 A Client that is authenticated, and is to have a session here. */
export interface Claim {
  readonly clientId: string;
  readonly username: string | undefined;
  /** §3.1.3.1 whether it may take over the session of another user. */
  readonly takesOver: boolean;
}

/** Takes the answer of a claim. */
export interface Claimed {
  claimed(refusal: Refusal | undefined): void;
}

/** The other nodes. */
export interface Nodes extends NodeHolds {
  /** Sessions of other nodes, each both as publisher and as subscriber. */
  readonly sessions: Iterable<Session>;
  /** For links. */
  readonly policy: Policy;
  /** Connections that are links. */
  readonly links: Iterable<NodeLink>;
  /** The subscriptions of other nodes' sessions. */
  readonly subscriptions: number;
  /** The memory that routes take: bytes. */
  readonly bytes: number;

  /** A subscription of this node is new, was replaced or is gone: `before` and `now` are its QoS, -1 is none. */
  changed(filter: TopicFilter, before: number, now: number): void;
  /** §4.8.2 What the members of a group can take has changed. */
  groupChanged(group: SharedGroup): void;
  /** §4.3.3 the store is told of the identifier of a QoS 2 message when other nodes have what they have been sent so far. */
  remember(session: Session, packetId: number): void;
  /** The end of a turn, before bytes are written. */
  endTurn(): void;
  /** Whether `endTurn()` has something to do. */
  readonly isDue: boolean;
  /** Whether work is left for a later turn. */
  readonly isBehind: boolean;

  /** Whether there is another node of this name. */
  isOther(name: string): boolean;
  /** The session of a node, for a link that begins. */
  join(name: string, incarnation: string): Session;
  /** A link is open. */
  joined(link: NodeLink, open: Serving): void;
  /** It is over. */
  left(open: Serving): void;

  /** A packet of a node that is neither PUBLISH nor acknowledges one; false if it is to be treated as a Client's. */
  packet(open: Serving, type: number, bytes: Uint8Array, first: number, body: number, end: number): boolean;
  /** Begins the way to the node at which the session of this CONNECT lives; undefined if that is this one. */
  relay(connect: Connect, peer: PeerInfo, policy: Policy, client: Transport): Relay | undefined;
  /**
   * §3.1.4 The Client of a CONNECT has no other connection at any node [MQTT-3.1.4-3], and no session at another one that Clean Start ends; if
   * that is not so, or is not known, `claimed` is called when it is, and "later" is returned.
   */
  claim(claim: Claim, claimed: Claimed): "later" | undefined;
  /** A session has ended. */
  sessionEnded(clientId: string): void;
  /** A Client that has claimed is accepted, or will not be. */
  claimOver(clientId: string, claimed: Claimed): void;
  /** Whether this node is home to a Client Identifier. */
  isHome(clientId: string): boolean;

  /** All that nodes have been sent so far: another number behind each message. */
  readonly sent: number;
  /** §4.8.2 A message that waited in this session has been sent to a node: the store keeps it until that has it. */
  movedOn(session: Session, delivery: Delivery): void;
  /** A node has acknowledged a message; `isReleased`: by a PUBREC, so that PUBCOMP is still to come. */
  acknowledged(session: Session, isReleased: boolean): void;
  /** That has come. */
  completed(session: Session): void;
  /** §4.8.2 No member of a group at a node takes a message, or there is no group (`NO_GROUP`): it goes to another one. */
  refused(session: Session, delivery: Delivery, code: number): void;
  /** A message of a node with a Subscription Identifier, which no Client may send. */
  take(open: Serving, view: PublishView): void;
  /** §3.3.1.3 The retained message of a topic has changed here; `message` is the same, kept for a store. */
  retained(topic: string, given: Given | undefined, message: Message | undefined): void;
  /** The stamps that a store has kept, behind the retained messages. */
  restoreStamps(stamps: Iterable<readonly [topic: string, stamp: number]>): void;
  /** §3.3.2.3.3 It has expired. */
  retainedExpired(topic: string): void;
  /** Whether the retained message of this topic goes to the store of this node. */
  keeps(topic: string): boolean;

  /** Compares the counters. */
  assertInvariants(): void;
}
