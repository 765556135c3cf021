/**
 * A worker as whoever looks at the broker sees it: by HTTP and in `$SYS` all workers are one.
 * Knows what is put together for that; refuses to know how answers become one.
 * @module
 */
import { dirname } from "node:path";
import { insidePart } from "../../api/part.ts";
import { AsOne } from "../../api/workers/as_one.ts";
import { insideOperations } from "../../api/workers/inside.ts";
import { LastCounts } from "../../api/workers/last_counts.ts";
import type { BrokerStats } from "../../broker/mod.ts";
import type { SystemTopicsOptions } from "../../server/serve.ts";
import type { ApiOfProgram } from "../api.ts";
import type { Watch } from "../watch.ts";
import { storeOf } from "./layout.ts";
import { InsideChannel } from "./inside.ts";
import { SHARED } from "./shares.ts";
import type { Worker, WorkerOrder } from "./worker.ts";

/** The directories of all stores of workers are beside each other. */
export function storesOf({ number, of, store }: WorkerOrder): ApiOfProgram["stores"] {
  if (store === undefined) return undefined;
  const data = dirname(dirname(store));
  const all = Array.from({ length: of }, (_, i) => storeOf(data, i + 1, of));
  return { own: all[number - 1]!, all };
}

/** One worker. */
export class Seen {
  readonly #inside: InsideChannel;
  readonly #all: AsOne;

  private constructor(inside: InsideChannel, all: AsOne) {
    this.#inside = inside;
    this.#all = all;
  }

  /** From now on this worker answers the others, and for them. @throws {Error} if its socket cannot be made. */
  static async open(which: Worker, stores: ApiOfProgram["stores"], watch: Watch): Promise<Seen> {
    const { api, since } = watch;
    const { logins } = api;
    const inside = new InsideChannel(which);
    const counts = new LastCounts(which.number, since);
    await inside.open(insidePart(api, logins, insideOperations(logins, since, counts)));
    const all = new AsOne({ host: api, channel: inside, logins, counts, shared: SHARED });
    api.stores = stores;
    api.workers = watch.others = all;
    return new Seen(inside, all);
  }

  /** For `$SYS`. */
  readonly whole: NonNullable<SystemTopicsOptions["whole"]> = (own: BrokerStats) => this.#all.whole(own);

  /** It asks and answers no more. */
  close(): void {
    this.#inside.close();
  }
}
