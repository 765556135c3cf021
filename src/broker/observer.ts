/**
 * Observation for the owner: counts always, rare events by hooks, single messages by hooks only if one is set.
 * Knows counts and hooks; refuses to know the use that an owner makes of them.
 * @module
 */
import type { Rule } from "../codec/error.ts";
import type { QoS } from "../codec/packet.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { Counts } from "./counts.ts";
import type { LimitName } from "./limits.ts";
import type { BrokerHooks, ClientInfo, DropReason, MessageInfo, PeerInfo, RefusedClient } from "./options.ts";
import { isLater } from "./question.ts";
import type { Refusal } from "./refusal.ts";

/** Whether a limit, or a rule, is to be reported now: once per session until the next connection. */
interface Reporter {
  reports(reason: LimitName | Rule): boolean;
}

/** Counts and hooks of one broker. */
export class Observer {
  /** The owner's hooks; their exceptions do not reach the engine. */
  hooks: BrokerHooks;
  /** PUBLISH packets from Clients. */
  received = 0;
  /** Copies that did not reach a session. */
  dropped = 0;
  /** How often each limit was reached. */
  readonly limits: Counts<LimitName> = new Counts();
  /** How often something was refused, or a connection ended, for each rule. */
  readonly refusals: Counts<Rule> = new Counts();

  constructor(hooks: BrokerHooks) {
    this.hooks = guarded(hooks);
  }

  /** Other hooks from now on; between inputs. */
  hear(hooks: BrokerHooks): void {
    this.hooks = guarded(hooks);
  }

  /** A session does not get a message, or a group does not (then `whom` is its filter). */
  drop(topic: string, view: PublishView, whom: string, reason: DropReason): void {
    this.dropped++;
    const { dropped } = this.hooks;
    if (dropped !== undefined) dropped(messageInfo(topic, view, view.bytes[view.at]!), whom, reason);
  }

  /** A limit is reached; reported once for each session and limit until the next connection. */
  limited(limit: LimitName, whom: string, session?: Reporter): void {
    this.limits.add(limit);
    if (session === undefined || session.reports(limit)) this.hooks.limited?.(limit, whom);
  }

  /** A connection ends before a CONNECT is accepted. */
  refused(peer: PeerInfo, refusal: Refusal, client: RefusedClient | undefined): void {
    this.refusals.add(refusal.rule);
    this.hooks.refused?.(peer, refusal, client);
  }

  /** An accepted connection is over; with a `refusal` we ended it. */
  disconnected(client: ClientInfo, isClean: boolean, refusal: Refusal | undefined): void {
    if (refusal !== undefined) this.refusals.add(refusal.rule);
    this.hooks.disconnected?.(client, isClean, refusal);
  }

  /** A packet, or a filter in it, is refused; the connection stays. */
  denied(client: ClientInfo, refusal: Refusal): void {
    this.refusals.add(refusal.rule);
    this.hooks.denied?.(client, refusal);
  }

  /** A message is discarded without a refusal to its Client; reported once for each rule until the next connection. */
  discarded(client: ClientInfo, session: Reporter, refusal: Refusal): void {
    if (session.reports(refusal.rule)) this.hooks.discarded?.(client, refusal);
  }

  /** An error that is ours or the owner's. */
  readonly failed = (error: unknown): void => this.hooks.failed?.(error);
}

/** A message as hooks see it; `first` is the first byte of its PUBLISH. */
export function messageInfo(topic: string, view: PublishView, first: number): MessageInfo {
  return {
    topic,
    payload: view.bytes.subarray(view.payloadAt, view.end),
    qos: ((first >> 1) & 3) as QoS,
    retain: (first & 1) !== 0,
  };
}

/** Listed by name: hooks may be prototype methods. */
const HOOKS: Readonly<Record<keyof BrokerHooks, true>> = {
  connected: true,
  disconnected: true,
  refused: true,
  subscribed: true,
  unsubscribed: true,
  revoked: true,
  published: true,
  delivered: true,
  dropped: true,
  denied: true,
  discarded: true,
  limited: true,
  tolerated: true,
  sessionEnded: true,
  storeFailed: true,
  storeRecovered: true,
  failed: true,
};

/** Hooks whose exceptions go to `failed`, at once or by the promise of an `async` one. */
function guarded(hooks: BrokerHooks): BrokerHooks {
  const safe: Record<string, (...args: unknown[]) => void> = {};
  for (const name of Object.keys(HOOKS) as (keyof BrokerHooks)[]) {
    const hook = hooks[name] as ((...args: unknown[]) => unknown) | undefined;
    if (hook === undefined) continue;
    const report = (error: unknown): void => {
      if (name !== "failed") safe["failed"]?.(error);
    };
    safe[name] = (...args) => {
      try {
        watch(hook.apply(hooks, args), report);
      } catch (error) {
        report(error);
      }
    };
  }
  return safe as BrokerHooks;
}

/** An owner's function may be `async`: unreported, the rejection of its promise would end the process. */
export function watch(result: unknown, report: (error: unknown) => void): void {
  if (isLater(result)) result.then(undefined, report);
}
