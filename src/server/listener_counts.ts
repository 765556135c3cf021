/**
 * The connections of each listener.
 * Knows URLs and counts; refuses to know how listeners are opened.
 * @module
 */

/** One listener, also one that is closed and has connections still. */
export interface ListenerStats {
  /** As it is asked for: with port 0 if any will do. */
  readonly url: string;
  /** Network Connections that are not over. */
  readonly connections: number;
  /** Network Connections that it has taken, since the start: over WebSocket, those whose upgrade was accepted. */
  readonly accepted: number;
}

interface Count {
  connections: number;
  accepted: number;
}

/** Of one server. */
export class ListenerCounts {
  readonly #byUrl: Map<string, Count> = new Map();

  /** These are the listeners from now on; others go when their connections are over. */
  listen(urls: readonly string[]): void {
    for (const [url, { connections }] of this.#byUrl) {
      if (connections === 0 && !urls.includes(url)) this.#byUrl.delete(url);
    }
    for (const url of urls) this.#of(url);
  }

  /** One more connection; returns what is to be called when it is over. */
  accepted(url: string): () => void {
    const count = this.#of(url);
    count.accepted++;
    count.connections++;
    return () => void count.connections--;
  }

  #of(url: string): Count {
    let count = this.#byUrl.get(url);
    if (count === undefined) this.#byUrl.set(url, count = { connections: 0, accepted: 0 });
    return count;
  }

  /** Of all listeners. */
  get stats(): readonly ListenerStats[] {
    return [...this.#byUrl].map(([url, count]) => ({ url, ...count }));
  }
}
