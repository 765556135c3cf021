/**
 * Reads every retained message below some filters by a Client of its own, whose session ends with its connection.
 * Knows how to tell that all have come; refuses to know which ones there should be.
 * @module
 */
import { PacketType } from "../../../src/codec/mod.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { serialOf } from "./message.ts";
import type { RetainedModel } from "./retained.ts";

/** Reads them and holds them against the model; false if the connection was lost before all had come. */
export function readRetained(
  port: number,
  filters: readonly string[],
  model: RetainedModel,
  problem: (text: string) => void,
): Promise<boolean> {
  return new Promise((resolve) => {
    const found = new Map<string, number>();
    let reading: ReturnType<RetainedModel["reading"]> | undefined;
    const client: RawClient = new RawClient(port, 5, {
      packet: (packet) => {
        if (packet.type === PacketType.CONNACK) {
          reading = model.reading();
          const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
          const subscriptions = filters.map((filter) => ({ filter, ...options }));
          client.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions });
        } else if (packet.type === PacketType.SUBACK) {
          client.send({ type: PacketType.PINGREQ }); // the retained messages stand between the two answers
        } else if (packet.type === PacketType.PUBLISH) {
          if (!packet.retain) return; // published just now
          const serial = serialOf(packet.payload);
          if (serial === undefined) problem(`The retained message of ${packet.topic} is damaged`);
          else found.set(packet.topic, serial);
        } else if (packet.type === PacketType.PINGRESP) {
          model.read(reading!, found);
          resolve(true);
          client.send({ type: PacketType.DISCONNECT, reasonCode: 0 });
          client.end();
        }
      },
      broken: (error) => problem(`The reader of retained messages gets what is no packet: ${error}`),
      closed: () => resolve(false),
    });
    client.send(connectOf(5, "reader"));
  });
}
