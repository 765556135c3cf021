/**
 * TCP of the runtime the tests run on: the contract of all transports, and what only a network can do to us.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import {
  childArguments,
  type Door,
  end,
  host,
  linesOf,
  networkContract,
  opened,
  rawPeer,
  turns,
} from "../../testing/network_contract.ts";
import { pattern, Recorder, utf8 } from "../../testing/transport_contract.ts";
import { dialTcp } from "../dial.ts";
import { listenTcp } from "../listen.ts";
import { patient, until, WAIT_MS } from "../../testing/patience.ts";

networkContract({
  kind: "tcp",
  listen: listenTcp,
  dial: dialTcp,
  peer: rawPeer,
  isReady: () => true,
  resets: [
    // Before the handshake is over, just after it (before or while we accept), and with bytes under way.
    (port) => connect({ port, host }).resetAndDestroy(),
    (port) => {
      const socket = connect({ port, host });
      return socket.once("connect", () => void socket.resetAndDestroy());
    },
    (port) => {
      const socket = connect({ port, host });
      return socket.once("connect", () => {
        socket.write("half a pack");
        socket.resetAndDestroy();
      });
    },
  ],
  childCommand: "listen",
  tellsShortage: "Deno" in globalThis,
});

function open(body: (door: Door) => Promise<void>): Promise<void> {
  return opened(listenTcp, body);
}

/** Descriptors that this process may have, beyond those the runtime needs. */
function descriptors(): number {
  const { stdout } = spawnSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" });
  return (stdout.trim() === "unlimited" ? Infinity : Number(stdout)) - 256;
}

/** How long the queue of a listener may become on this system. */
function queueLengthMax(): number {
  try {
    return Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8"));
  } catch {
    return 128;
  }
}

/** Connections that the system has dropped because a listener's queue was full; undefined where it does not tell. */
function overflows(): number | undefined {
  try {
    const [names, values] = readFileSync("/proc/net/netstat", "utf8").split("\n").map((line) =>
      line.split(" ")
    );
    return Number(values![names!.indexOf("ListenOverflows")]);
  } catch {
    return undefined;
  }
}

/** Fails if one had to wait for a second SYN. A busy machine may be as slow, but its queue has not overflowed then. */
function assertNoneWaited(slowestMs: number, count: number, before: number | undefined): void {
  if (slowestMs < 900 || (before !== undefined && overflows() === before)) return;
  throw new Error(`The slowest of ${count} took ${slowestMs} ms, and the queue overflowed`);
}

/** Writes all of it, as much as `write()` takes at a time. */
function sendAll(ours: Recorder, bytes: Uint8Array): void {
  let rest = bytes;
  const send = () => {
    rest = rest.subarray(ours.transport.write(rest));
    if (rest.length === 0) ours.onDrained = () => {};
  };
  ours.onDrained = send;
  send();
}

/** Bun reads as it likes in a turn, which nothing here can change: some MiB. */
const onlyDeno = { ...patient, skip: !("Deno" in globalThis) };

describe("TCP: a turn", () => {
  test(
    "of much work is followed by a look at all sockets",
    onlyDeno,
    () =>
      open(async ({ port, accepted }) => {
        const flood = await rawPeer(port);
        const small = new Recorder(await dialTcp({ host, port }));
        await until(() => accepted.length === 2, "both are accepted");
        small.call((transport) => transport.write(utf8("x")));
        flood.write("y");
        await until(() => accepted.every(({ length }) => length === 1), "it is known which is which");
        const isSmall = (ours: Recorder) => ours.text === "x";
        const [ours, other] = [accepted.find((one) => !isSmall(one))!, accepted.find(isSmall)!];
        ours.call((transport) => transport.pause());
        flood.write(new Uint8Array(8 * 1024 * 1024));
        let passed = 0;
        await until(() => passed++ > 100, "the kernel's buffers are full");
        let chunks = 0;
        const work = () => {
          const end = performance.now() + 5;
          while (performance.now() < end);
        };
        ours.onReceived = () => {
          if (++chunks === 5) small.call((transport) => transport.write(utf8("z"))); // it is in the kernel at once
          work();
          setImmediate(work);
        };
        // A condition that is looked at again and again would turn the loop.
        const before = await new Promise<number>((resolve) => {
          other.onReceived = () => resolve(chunks);
          ours.call((transport) => transport.resume());
        });
        assert(before <= 9, `${before} chunks before the byte that came behind the fifth`);
        flood.destroy();
        small.transport.abort();
      }),
  );
});

describe("TCP: the end of a connection", () => {
  test("after our close() the peer reads the end and may go on writing until it ends too", () =>
    open(async ({ port, accepted }) => {
      const peer = await rawPeer(port);
      let ended = false;
      let failed = false;
      peer.on("end", () => ended = true).on("error", () => failed = true).resume();
      await until(() => accepted.length === 1, "the connection is accepted");
      const ours = accepted[0]!;
      ours.call((transport) => transport.close());
      await until(() => ended, "the peer reads the end");
      assertEquals(ours.closes.length, 0);
      peer.write("not read");
      peer.end();
      await until(() => ours.closes.length === 1, "our side ends with the peer's");
      assertEquals([ours.closes[0], ours.length, failed], [undefined, 0, false]);
    }));

  test("a reset by the peer ends in closed() with an error", () =>
    open(async ({ port, accepted }) => {
      const peer = await rawPeer(port);
      await until(() => accepted.length === 1, "the connection is accepted");
      peer.resetAndDestroy();
      await until(() => accepted[0]!.closes.length === 1, "our side ends");
      assertEquals((accepted[0]!.closes[0] as { code?: string } | undefined)?.code, "ECONNRESET");
    }));

  test("a reset while we are closing ends the wait for the peer", () =>
    open(async ({ port, accepted }) => {
      const peer = await rawPeer(port);
      await until(() => accepted.length === 1, "the connection is accepted");
      accepted[0]!.call((transport) => transport.close());
      peer.resetAndDestroy();
      await until(() => accepted[0]!.closes.length === 1, "our side ends");
    }));

  test("a reset while write() is short ends the wait for drained()", () =>
    open(async ({ port, accepted }) => {
      const peer = await rawPeer(port);
      peer.pause();
      await until(() => accepted.length === 1, "the connection is accepted");
      const ours = accepted[0]!;
      ours.call((transport) => transport.pause());
      pumpForever(ours);
      await turns(100); // the kernel's buffers are full
      peer.resetAndDestroy();
      await until(() => ours.closes.length === 1, "our side ends");
      assertEquals(ours.intrusions, []);
    }));

  test("peers that were reset while nobody could accept them do no harm", () =>
    open(async ({ port, accepted }) => {
      // spawnSync() stops this process's loop: the child has reset all of them before the first can be accepted.
      const { stdout } = spawnSync(process.execPath, [...childArguments, "reset", `${port}`, "50", "50"], {
        encoding: "utf8",
      });
      assertEquals(JSON.parse(stdout).opened, 50);
      const last = await rawPeer(port);
      last.write("alive");
      await until(() => accepted.some((ours) => ours.text === "alive"), "the last one is served");
      await until(() => accepted.filter((ours) => ours.closes.length === 0).length === 1, "all others end");
      last.destroy();
    }));
});

describe("TCP: many connections", () => {
  test("all of 300 that are written to in one go get everything, though some of them end meanwhile", () =>
    open(async ({ port, accepted }) => {
      const peers = await Promise.all(
        Array.from({ length: 300 }, async () => new Recorder(await dialTcp({ host, port }))),
      );
      try {
        await until(() => accepted.length === peers.length, "all are accepted");
        const bytes = pattern(10_000);
        for (const ours of accepted) sendAll(ours, bytes);
        for (let i = 0; i < accepted.length; i += 3) accepted[i]!.transport.abort();
        const lives = () => peers.filter(({ closes }) => closes.length === 0);
        await until(() => lives().length === 200, "those that were aborted are over");
        await until(
          () => lives().every(({ length }) => length === bytes.length),
          "the others have everything",
        );
        assert(lives().every((peer) => peer.bytes.every((byte, i) => byte === bytes[i])));
      } finally {
        for (const { transport } of peers) transport.abort();
      }
    }));

  test(
    "an answer goes out at once though hundreds are written to, and answers let the others go on",
    patient,
    () =>
      open(async ({ port, accepted }) => {
        const count = 500;
        const peers = await Promise.all(
          Array.from({ length: count }, async () => new Recorder(await dialTcp({ host, port }))),
        );
        try {
          await until(() => accepted.length === count, "all are accepted");
          const bytes = pattern(10_000);
          const many = accepted.slice(0, count / 2);
          const few = accepted.slice(count / 2);
          for (const ours of many) sendAll(ours, bytes);
          assertEquals(few[0]!.call((transport) => transport.write(utf8("answer"))), 6);
          for (const ours of few.slice(1)) sendAll(ours, utf8("answer"));
          const all = many.length * bytes.length + few.length * 6;
          await until(
            () => peers.reduce((sum, { length }) => sum + length, 0) === all,
            "all have everything",
          );
          assertEquals(peers.filter(({ text }) => text === "answer").length, few.length);
        } finally {
          for (const { transport } of peers) transport.abort();
        }
      }),
  );

  test("a fan-out goes on past readers that read nothing", patient, () =>
    open(async ({ port, accepted }) => {
      const peers = await Promise.all(
        Array.from({ length: 110 }, async () => new Recorder(await dialTcp({ host, port }))),
      );
      try {
        await until(() => accepted.length === peers.length, "all are accepted");
        for (const peer of peers) peer.transport.pause();
        const block = pattern(64 * 1024);
        for (const ours of accepted) {
          const fill = () => {
            while (ours.transport.write(block) > 0);
          };
          ours.onDrained = fill;
          fill();
        }
        const quiet = new Recorder(await dialTcp({ host, port }));
        peers.push(quiet);
        await until(() => accepted.length === peers.length, "one more is accepted");
        sendAll(accepted.at(-1)!, utf8("hello"));
        await until(() => quiet.text === "hello", "it is written to");
      } finally {
        for (const { transport } of peers) transport.abort();
      }
    }));

  test(
    "the queue of the listener holds thousands while the loop is busy: none waits for a second SYN",
    patient,
    () =>
      open(async ({ port, accepted }) => {
        const before = overflows();
        const count = Math.min(4000, queueLengthMax() - 64, descriptors());
        // spawnSync() stops this process's loop, so that nothing is accepted meanwhile.
        const { stdout } = spawnSync(
          process.execPath,
          [...childArguments, "burst", `${port}`, `${count}`, "64"],
          { encoding: "utf8", timeout: WAIT_MS },
        );
        assert(stdout !== "", `${count} connections were not open after ${WAIT_MS} ms`);
        const { opened, slowestMs } = JSON.parse(stdout) as { opened: number; slowestMs: number };
        assertEquals(opened, count);
        assertNoneWaited(slowestMs, count, before);
        await until(() => accepted.length === count, "all are accepted afterwards");
      }),
  );

  test(
    "a burst of 5000 connections is accepted, and none waits for a second SYN",
    patient,
    () =>
      open(async ({ port, accepted }) => {
        const before = overflows();
        const count = Math.min(5000, descriptors());
        const far = spawn(process.execPath, [...childArguments, "greeted", `${port}`, `${count}`, "100"]);
        const lines = linesOf(far);
        let greeted = 0;
        try {
          await until(() => {
            for (; greeted < accepted.length; greeted++) sendAll(accepted[greeted]!, utf8("x"));
            return lines.length === 1 && accepted.length === count;
          }, `${count} are accepted`);
          assertEquals(lines[0]!.opened, count);
          const slowestMs = Number(lines[0]!.slowestMs);
          assertNoneWaited(slowestMs, count, before);
          await until(() => accepted.every((ours) => ours.closes.length === 1), "all end with the child");
        } finally {
          await end(far);
        }
      }),
  );

  test(
    "10,000 idle connections, or as many as there are descriptors, cost little",
    patient,
    () =>
      open(async ({ port, accepted }) => {
        const count = Math.min(10_000, descriptors());
        if (count < 10_000) console.log(`# ulimit -n leaves room for ${count} connections only`);
        const before = process.memoryUsage.rss();
        const far = spawn(process.execPath, [...childArguments, "idle", `${port}`, `${count}`, "200"]);
        const lines = linesOf(far);
        try {
          await until(() => lines.length === 1 && accepted.length === count, `${count} are accepted`);
          assertEquals(lines[0]!.opened, count);
          const bytes = (process.memoryUsage.rss() - before) / count;
          // With a read buffer of 64 KiB each it would be far more.
          assert(bytes < 40 * 1024, `${Math.round(bytes)} bytes per connection`);
          assert(accepted.every((ours) => ours.closes.length === 0), "all are open");
          for (const ours of accepted) sendAll(ours, utf8("x"));
        } finally {
          await end(far);
        }
        await until(() => accepted.every((ours) => ours.closes.length === 1), "all end with the child");
      }),
  );
});

function pumpForever(recorder: Recorder): void {
  const block = pattern(1024 * 1024);
  const go = () => {
    while (recorder.call((transport) => transport.write(block)) === block.length);
  };
  recorder.onDrained = go;
  go();
}
