/**
 * §3.3.2.3.4 The Topic Aliases of a peer: the topic of each on this connection.
 * Knows aliases and the bytes of Topic Names; refuses to know subscribers.
 * @module
 */

/** One connection's aliases towards us. They end with it [MQTT-3.3.2-7]. */
export class TopicAliases {
  /** The highest that the peer may use. */
  readonly maximum: number;
  #topics: (Uint8Array | undefined)[] | undefined;
  /** Bytes of their Topic Names. */
  bytes = 0;
  /** How many are set. */
  size = 0;

  constructor(maximum: number) {
    this.maximum = maximum;
  }

  /** The alias stands for the Topic Name `bytes[at, end)` from now on [MQTT-3.3.2-12]. */
  set(alias: number, bytes: Uint8Array, at: number, end: number): void {
    const topics = (this.#topics ??= []);
    while (topics.length < alias) topics.push(undefined); // never an array with holes
    const before = topics[alias];
    if (before === undefined) this.size++;
    this.bytes += end - at - (before === undefined ? 0 : before.length);
    topics[alias] = bytes.slice(at, end);
  }

  /** The Topic Name that it stands for; undefined if it stands for none. */
  get(alias: number): Uint8Array | undefined {
    return this.#topics === undefined ? undefined : this.#topics[alias];
  }
}
