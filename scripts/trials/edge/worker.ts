/**
 * A Worker whose one Durable Object is a broker with a store.
 * Knows what Cloudflare's runtime calls; refuses to know MQTT.
 * @module
 */
import {
  type Alarms,
  type EdgeBroker,
  edgeBroker,
  openStorageStore,
  type Storage,
} from "../../../src/edge/mod.ts";

interface State {
  readonly storage: Alarms & Storage;
  blockConcurrencyWhile(act: () => Promise<void>): void;
}

interface Env {
  readonly MQTT: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(request: Request): Promise<Response> };
  };
}

/** All Clients meet in one. */
export class Mqtt {
  #broker!: EdgeBroker;

  constructor(state: State) {
    state.blockConcurrencyWhile(async () => {
      const store = await openStorageStore(state.storage);
      this.#broker = edgeBroker({ alarms: state.storage, store, origins: ["*"] });
    });
  }

  fetch(request: Request): Response {
    return this.#broker.fetch(request);
  }

  alarm(): void {
    this.#broker.alarm();
  }
}

export default {
  fetch: (request: Request, { MQTT }: Env): Promise<Response> =>
    MQTT.get(MQTT.idFromName("one")).fetch(request),
};
