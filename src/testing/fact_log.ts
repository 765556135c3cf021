/**
 * A store that writes down what it is told, in words.
 * Knows `HandStore`; refuses to know what should be told.
 * @module
 */
import type { DeliveryRecord, Later, SessionKey, SessionRecord, SubscriptionRecord } from "../broker/mod.ts";
import type { Message } from "../delivery/message.ts";
import { HandStore } from "./hand_store.ts";

/** Facts by session, as `queued 1 text`; retained messages are under "". */
export class FactLog extends HandStore {
  /** Pages that were asked for: of how many messages and bytes at most. */
  readonly asked: { readonly messages: number; readonly bytes: number }[] = [];
  readonly #told: [clientId: string, fact: string][] = [];

  /** Takes what was told, in order: `stub: queued 1 text`. */
  take(): string[] {
    return this.#told.splice(0).map(([clientId, fact]) => clientId === "" ? fact : `${clientId}: ${fact}`);
  }

  override saved(key: SessionKey, session: SessionRecord): void {
    const { expirySeconds, expiresAt, will } = session;
    const state = expiresAt === undefined ? "connected" : "away";
    const due = will === undefined ? "" : will.dueAt === undefined ? " will" : " will waits";
    this.#told.push([key.clientId, `saved ${expirySeconds} ${state}${due}`]);
    super.saved(key, session);
  }

  override dropped(key: SessionKey): void {
    this.#told.push([key.clientId, "dropped"]);
    super.dropped(key);
  }

  override subscribed(key: SessionKey, subscription: SubscriptionRecord): void {
    this.#told.push([key.clientId, `subscribed ${subscription.filter} ${subscription.qos}`]);
    super.subscribed(key, subscription);
  }

  override unsubscribed(key: SessionKey, filter: string): void {
    this.#told.push([key.clientId, `unsubscribed ${filter}`]);
    super.unsubscribed(key, filter);
  }

  override queued(key: SessionKey, delivery: DeliveryRecord): void {
    this.#told.push([key.clientId, `queued ${delivery.packetId} ${textOf(delivery.message)}`]);
    super.queued(key, delivery);
  }

  override advanced(key: SessionKey, delivery: DeliveryRecord): void {
    const step = delivery.released > 0 ? "released" : "sent";
    this.#told.push([key.clientId, `${step} ${delivery.packetId} ${textOf(delivery.message)}`]);
    super.advanced(key, delivery);
  }

  override finished(key: SessionKey, delivery: DeliveryRecord): void {
    this.#told.push([key.clientId, `finished ${delivery.packetId} ${textOf(delivery.message)}`]);
    super.finished(key, delivery);
  }

  override received(key: SessionKey, packetId: number, open: boolean): void {
    this.#told.push([key.clientId, `identifier ${packetId} ${open ? "open" : "free"}`]);
    super.received(key, packetId, open);
  }

  override load(
    key: SessionKey,
    from: number,
    messages: number,
    bytes: number,
  ): Later<readonly DeliveryRecord[]> {
    this.asked.push({ messages, bytes });
    return super.load(key, from, messages, bytes);
  }

  override retained(topic: string, message: Message | undefined): void {
    this.#told.push(["", `retained ${topic} ${message === undefined ? "none" : textOf(message)}`]);
    super.retained(topic, message);
  }
}

function textOf({ view }: Message): string {
  return new TextDecoder().decode(view.bytes.subarray(view.payloadAt, view.end));
}
