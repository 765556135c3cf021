/**
 * Bus, streams and logs over a nats-server: what all must do, and transports over the bus.
 * @module
 */
import { after, test } from "node:test";
import { seededRandom } from "../../engine/random.ts";
import { systemLoop } from "../../runtime/loop.ts";
import {
  busContract,
  logContract,
  streamContract,
  type StreamKind,
  type Streams,
} from "../../testing/cluster_contract.ts";
import { type NatsServer, noNats, startNats } from "../../testing/nats_server.ts";
import { until, WAIT_MS } from "../../testing/patience.ts";
import { type Joined, transportContract } from "../../testing/transport_contract.ts";
import type { Transport } from "../../transport/transport.ts";
import { acceptBus, dialBus } from "../bus_dial.ts";
import { type Nats, openNats } from "./open.ts";

let started: Promise<NatsServer> | undefined;
let serial = 0;
const random = seededRandom(1);

async function open(kind?: StreamKind): Promise<[left: Nats, right: Nats]> {
  const { url } = await (started ??= startNats());
  const prefix = `test-${++serial}-${random()}`;
  const needs = { prefix, replicas: 1, streams: kind === undefined ? {} : { s: kind } };
  const left = await openNats({ servers: [url], silenceMs: WAIT_MS }, needs);
  return [left, await openNats({ servers: [url] }, needs)];
}

async function closeAll(nats: readonly Nats[]): Promise<void> {
  await Promise.all(nats.map((one) => one.close()));
}

async function streams(kind: StreamKind): Promise<Streams> {
  const nats = await open(kind);
  const [left, right] = [nats[0].stream("s"), nats[1].stream("s")];
  return { left, right, clock: systemLoop, until, done: () => closeAll(nats) };
}

async function joined(): Promise<Joined> {
  const nats = await open();
  const [{ bus: left }, { bus: right }] = nats;
  let accepted: Transport | undefined;
  let dialled: Transport | Error | undefined;
  acceptBus({
    bus: right,
    clock: systemLoop,
    at: "door",
    deadMs: WAIT_MS,
    label: "bus left",
    accepted: (it) => accepted = it,
  });
  const dial = (): void => {
    const id = `${++serial}`;
    dialBus({
      bus: left,
      clock: systemLoop,
      at: "door",
      deadMs: WAIT_MS,
      id,
      label: "bus right",
      dialled: (it) => dialled = it,
    });
  };
  dial();
  await until(() => {
    if (dialled instanceof Error) { // the door is heard of soon
      dialled = undefined;
      dial();
    }
    return dialled !== undefined && accepted !== undefined;
  }, "both ends are there");
  return {
    left: dialled! as Transport,
    right: accepted!,
    until,
    async done(): Promise<void> {
      (dialled as Transport).abort();
      accepted!.abort();
      await closeAll(nats);
    },
  };
}

if (noNats !== false) test("bus and streams over NATS", { skip: noNats }, () => {});
else {
  after(async () => await (await started)?.end());
  busContract("NATS", async () => {
    const nats = await open();
    return { left: nats[0].bus, right: nats[1].bus, until, done: () => closeAll(nats) };
  });
  streamContract("NATS", streams);
  logContract("NATS", streams);
  transportContract("over NATS", joined);
}
