/**
 * Our Client as the auditor starts it, by whichever `connect()`: an order in, a running Client out.
 * Knows how an order is put to the Client; refuses to know what is right, and runtimes.
 * @module
 */
import type { ClientOrder, Heard, RunningClient, Where } from "../../../conformance/client/drivers/driver.ts";
import type { Client } from "../../client_api/client.ts";
import { explain } from "../../client_api/explain.ts";
import type { ConnectOptions, PublishOptions } from "../../client_api/options.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How it connects. */
export type AuditedConnect = (url: string, options: ConnectOptions) => Promise<Client>;

/** Starts it. */
export function startAudited(order: ClientOrder, where: Where, connect: AuditedConnect): RunningClient {
  return new Audited(order, where, connect);
}

class Audited implements RunningClient {
  readonly heard: Heard[] = [];
  readonly gone: Promise<void>;
  readonly #words: string[] = [];
  readonly #stop: AbortController = new AbortController();
  #client: Client | undefined;

  constructor(order: ClientOrder, where: Where, connect: AuditedConnect) {
    this.gone = this.#run(order, where, connect).catch((error) => void this.#words.push(explain(error)));
  }

  get words(): string {
    return this.#words.join("; ");
  }

  async #run(order: ClientOrder, { url }: Where, connect: AuditedConnect): Promise<void> {
    const client = this.#client = await connect(url, {
      ...optionsOf(order),
      signal: this.#stop.signal,
    });
    client.on("disconnected", ({ error }) => this.#words.push(explain(error)));
    client.on("unmatched", ({ topic, bytes }) => this.heard.push({ topic, payload: decoder.decode(bytes) }));
    const closed = new Promise<void>((resolve) => client.on("closed", () => resolve()));
    this.#carryOut(client, order).catch((error) => this.#words.push(explain(error)));
    await closed;
  }

  async #carryOut(
    client: Client,
    { subscribe = [], publish = [], unsubscribe = [], reauthenticate }: ClientOrder,
  ): Promise<void> {
    if (reauthenticate) await client.reauthenticate();
    const subscriptions = await Promise.all(
      subscribe.map(({ filter, ...options }) => client.subscribe(filter, options)),
    );
    for (const subscription of subscriptions) {
      void (async () => {
        for await (const { topic, bytes } of subscription) {
          this.heard.push({ topic, payload: decoder.decode(bytes) });
        }
      })().catch(() => {});
    }
    const published = publish.map(({ topic, payload, qos, retain = false, properties }) => {
      const { messageExpiry, userProperty, responseTopic, contentType } = properties ?? {};
      const options: PublishOptions = {
        qos,
        retain,
        ...messageExpiry !== undefined && { messageExpiryInterval: messageExpiry },
        ...userProperty !== undefined && { userProperties: [userProperty] },
        ...responseTopic !== undefined && { responseTopic },
        ...contentType !== undefined && { contentType },
      };
      return client.publish(topic, payload, options);
    });
    for (const { status, reason } of (await Promise.allSettled(published)) as PromiseRejectedResult[]) {
      if (status === "rejected") this.#words.push(explain(reason));
    }
    await Promise.all(
      unsubscribe.map((filter) => subscriptions.find((one) => one.filter === filter)?.unsubscribe()),
    );
  }

  leave(): void {
    if (this.#client === undefined) this.#stop.abort();
    else void this.#client.close({ timeoutMs: 0 });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.gone;
  }
}

function optionsOf(order: ClientOrder): ConnectOptions {
  const { level, clientId, cleanStart, keepAlive, reconnect, will, username, password } = order;
  const { sessionExpiry, receiveMaximum, topicAliasMaximum, maximumPacketSize } = order;
  const { authenticationMethod: method, authenticationData = "" } = order;
  const data = encoder.encode(authenticationData);
  return {
    level,
    clientId,
    cleanStart,
    keepAlive,
    reconnect: reconnect && { minMs: 20, maxMs: 50 },
    ...reconnect && { connectTimeoutMs: Infinity },
    sessionExpiry: sessionExpiry ?? 0,
    ...will !== undefined && { will },
    ...username !== undefined && { username },
    ...password !== undefined && { password },
    ...receiveMaximum !== undefined && { receiveMaximum },
    ...topicAliasMaximum !== undefined && { topicAliasMaximum },
    ...maximumPacketSize !== undefined && { maximumPacketSize },
    ...method !== undefined && { authentication: { method, initial: () => data, next: () => data } },
  };
}
