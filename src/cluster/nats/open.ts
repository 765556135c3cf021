/**
 * A cluster's bus and streams on NATS.
 * Knows the order in which things are opened and checked; refuses to know what they are used for.
 * @module
 */
import type { Bus } from "../bus.ts";
import type { Stream } from "../stream.ts";
import { NatsBus } from "./bus.ts";
import { connectClient } from "./client.ts";
import { accessOf, type NatsOptions } from "./options.ts";
import { NatsStream } from "./stream.ts";
import { checkStreams, streamName, type StreamNeeds, streamSubject } from "./streams.ts";

/** An open connection to NATS. */
export interface Nats {
  readonly bus: Bus;
  /**
   * One of the streams that were asked for.
   * @throws {RangeError} for another name.
   */
  stream(name: string): Stream;
  /** Ends everything. */
  close(): Promise<void>;
}

/**
 * Connects to NATS, and makes and checks the streams.
 * @throws {NatsError} in one line: what is wrong, and what would be right.
 */
export async function openNats(options: NatsOptions, needs: StreamNeeds): Promise<Nats> {
  const bus = new NatsBus(await connectClient(accessOf(options)), options);
  const streams = new Set<Stream>();
  const close = async (): Promise<void> => {
    for (const stream of streams) stream.close();
    bus.close();
    await bus.closed;
  };
  try {
    await checkStreams(bus, needs);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    bus,
    stream(name: string): Stream {
      if (!Object.hasOwn(needs.streams, name)) throw new RangeError(`No stream "${name}" was asked for`);
      const stream = new NatsStream(bus, streamName(needs, name), (key) => streamSubject(needs, name, key));
      streams.add(stream);
      return stream;
    },
    close,
  };
}
