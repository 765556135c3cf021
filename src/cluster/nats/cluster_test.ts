/** Three nats-servers that keep a log together: the leader is killed or stopped while batches are appended; and transports across them. @module */
import { connect } from "@nats-io/transport-node";
import { assert, assertEquals } from "@std/assert";
import { after, describe, test } from "node:test";
import { systemLoop } from "../../runtime/loop.ts";
import { readAll } from "../../testing/cluster_contract.ts";
import { type NatsServer, noNats, startNatsCluster } from "../../testing/nats_server.ts";
import { patient, until } from "../../testing/patience.ts";
import { pattern, pump, Recorder, utf8 } from "../../testing/transport_contract.ts";
import type { Transport } from "../../transport/transport.ts";
import { acceptBus, dialBus } from "../bus_dial.ts";
import type { Appended } from "../log.ts";
import { StreamLog } from "../stream_log.ts";
import { type Nats, openNats } from "./open.ts";

const BATCHES = 150;
const ROUNDS = 2;

let servers: NatsServer[] = [];
const open: Nats[] = [];
after(async () => {
  for (const nats of open) await nats.close();
  for (const server of servers) await server.end();
});

/** The addresses of the servers, which are started once. */
async function started(): Promise<string[]> {
  if (servers.length === 0) servers = await startNatsCluster(3);
  return servers.map(({ url }) => url);
}

/** What the API of JetStream says of the stream: its leader, and who has all of it. */
async function about(urls: readonly string[]): Promise<{ leader: number; current: number }> {
  const client = await connect({ servers: [...urls], timeout: 5_000 });
  try {
    const { cluster } = JSON.parse((await client.request("$JS.API.STREAM.INFO.test_log", "")).string());
    const current = cluster.replicas.filter((one: { current: boolean; offline?: boolean }) =>
      one.current && one.offline !== true
    );
    return { leader: Number(cluster.leader.slice(1)) - 1, current: current.length + 1 };
  } catch {
    return { leader: -1, current: 0 }; // an election
  } finally {
    await client.close();
  }
}

/** Waits until all servers have all of it. */
async function healthy(urls: readonly string[]): Promise<number> {
  for (;;) {
    const { leader, current } = await about(urls);
    if (current === servers.length) return leader;
  }
}

/** Appends; what is unsure is asked for again until it is known. */
async function appended(log: StreamLog, batch: Uint8Array, last: number): Promise<Appended> {
  let again: number | undefined;
  for (;;) {
    let outcome: Appended | undefined;
    log.append(batch, last, (it) => outcome = it, again);
    await until(() => outcome !== undefined, "the outcome of an append");
    if (outcome!.kind === "appended" || outcome!.kind === "fenced") return outcome!;
    again = outcome!.kind === "unsure" ? outcome!.number : undefined;
  }
}

describe("a log of three nats-servers", { skip: noNats }, () => {
  test(
    "its leader is killed, and another one stopped: nothing acknowledged is lost, doubled or moved, and who was relieved is fenced",
    patient,
    async () => {
      const urls = await started();
      const needs = { prefix: "test", replicas: 3, streams: { log: "all", values: "last" } } as const;
      const logs: StreamLog[] = [];
      for (let round = 0; round <= ROUNDS; round++) {
        const nats = await openNats({ servers: urls }, needs);
        open.push(nats);
        logs.push(new StreamLog(nats.stream("log"), utf8(`writer-${round}`), systemLoop));
      }
      const acknowledged: string[] = [];
      const large = pattern(1_500_000);
      let last = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const leader = await healthy(urls);
        const log = logs[round]!;
        const seen = await readAll({ until }, log);
        assertEquals(seen.last, last);
        const isKilled = round % 2 === 0; // the other ones are stopped, and go on later
        let killed: Promise<void> | undefined;
        for (let i = 0; i < BATCHES; i++) {
          const name = `${round}.${i} `;
          const batch = i % 50 === 25 ? new Uint8Array([...utf8(name), ...large]) : utf8(name);
          if (i === BATCHES / 3) {
            if (isKilled) killed = servers[leader]!.kill();
            else servers[leader]!.signal("SIGSTOP");
          }
          const outcome = await appended(log, batch, last);
          assert(outcome.kind === "appended", `${name}: ${outcome.kind}`);
          last = outcome.last;
          acknowledged.push(name);
        }
        await killed;
        if (isKilled) await servers[leader]!.start();
        else servers[leader]!.signal("SIGCONT");
        // The next one takes over; the one before does not know, and learns it.
        const next = logs[round + 1]!;
        const { last: end } = await readAll({ until }, next);
        const taken = await appended(next, utf8(`${round + 1}.begin `), end);
        assert(taken.kind === "appended");
        acknowledged.push(`${round + 1}.begin `);
        assertEquals(await appended(log, utf8("too late "), last), { kind: "fenced" });
        last = taken.last;
      }
      const { entries } = await readAll({ until }, logs[0]!);
      assertEquals(
        entries.map(({ batch }) => new TextDecoder().decode(batch.subarray(0, batch.indexOf(0x20) + 1))),
        acknowledged,
      );
      for (const { batch } of entries) {
        const rest = batch.subarray(batch.indexOf(0x20) + 1);
        assert(
          rest.length === 0 || rest.length === large.length && rest.every((byte, at) => byte === large[at]),
        );
      }
    },
  );

  test(
    "a transport goes from server to server, and both ends end when one of them is killed",
    patient,
    async () => {
      const urls = await started();
      const needs = { prefix: "bus", replicas: 1, streams: {} };
      const [near, far] = [
        await openNats({ servers: [urls[0]!] }, needs),
        await openNats({ servers: [urls[1]!] }, needs),
      ];
      open.push(near, far);
      const ends: Recorder[] = [];
      const label = "bus";
      const at = "door.far";
      acceptBus({ bus: far.bus, clock: systemLoop, at, label, accepted: (it) => ends[1] = new Recorder(it) });
      let isDialling = false;
      let calls = 0;
      await until(() => {
        if (!isDialling && ends[0] === undefined) { // the door is heard of soon
          isDialling = true;
          const dialled = (it: Transport | Error): void => {
            isDialling = false;
            if (!(it instanceof Error)) ends[0] = new Recorder(it);
          };
          dialBus({ bus: near.bus, clock: systemLoop, at, id: `${++calls}`, label, dialled });
        }
        return ends[0] !== undefined && ends[1] !== undefined;
      }, "both ends are there");
      const bytes = pattern(5_000_000);
      pump(ends[0]!, bytes, () => 100_000);
      await until(() => ends[1]!.length === bytes.length, "all bytes arrive");
      assert(ends[1]!.bytes.every((byte, i) => byte === bytes[i]));
      await servers[1]!.kill();
      await until(() => ends.every(({ closes }) => closes.length === 1), "both ends end");
      await servers[1]!.start();
    },
  );
});
