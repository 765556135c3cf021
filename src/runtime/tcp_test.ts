/**
 * TCP of the runtime the tests run on: the contract of all transports, and what only a network can do to us.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import { type Joined, pattern, Recorder, transportContract, utf8 } from "../testing/transport_contract.ts";
import type { Transport } from "../transport/mod.ts";
import { dialTcp } from "./dial.ts";
import { type Listener, ListenError, listenTcp, type PeerInfo } from "./listen.ts";

/** Nothing here takes so long unless it never comes. */
const LIMIT_MS = 20_000;
const host = "127.0.0.1";

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`It never came to this: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A listener, and what it accepted. */
interface Door {
  readonly listener: Listener;
  readonly port: number;
  readonly accepted: Recorder[];
  readonly peers: PeerInfo[];
}

async function open(
  body: (door: Door) => Promise<void>,
  accept?: (transport: Transport) => void,
): Promise<void> {
  const accepted: Recorder[] = [];
  const peers: PeerInfo[] = [];
  const listener = await listenTcp({ host, port: 0 }, (transport, peer) => {
    peers.push(peer);
    if (accept === undefined) accepted.push(new Recorder(transport));
    else accept(transport);
  });
  try {
    await body({ listener, port: listener.port, accepted, peers });
  } finally {
    for (const { transport } of accepted) transport.abort();
    await listener.close();
  }
}

async function joined(): Promise<Joined> {
  let right: Transport | undefined;
  const listener = await listenTcp({ host, port: 0 }, (transport) => right = transport);
  const left = await dialTcp({ host, port: listener.port });
  await until(() => right !== undefined, "the connection is accepted");
  return {
    left,
    right: right!,
    until,
    async done(): Promise<void> {
      left.abort();
      right!.abort();
      await listener.close();
    },
  };
}

/** A peer that can do what our own transports will not. */
async function rawPeer(port: number): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

const child = fileURLToPath(new URL("../testing/tcp_child.ts", import.meta.url));
/** Arguments that make this very runtime run the child. */
const childArguments = "Deno" in globalThis ? ["run", "-A", "--no-check", child] : [child];

/** The lines of JSON that a child has written so far. */
function linesOf(process: ChildProcess): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  let text = "";
  process.stdout!.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (text + chunk).split("\n");
    text = parts.pop()!;
    for (const part of parts) lines.push(JSON.parse(part));
  });
  return lines;
}

/** Ends a child and waits until it is gone. */
async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null) return;
  const gone = new Promise((resolve) => process.once("exit", resolve));
  process.stdin!.end();
  process.kill("SIGKILL");
  await gone;
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

transportContract("TCP", joined);

describe("listenTcp()", () => {
  test("says where it listens and who calls", () =>
    open(async ({ listener, port, accepted, peers }) => {
      assertEquals(listener.host, host);
      assert(port > 0);
      const peer = await rawPeer(port);
      await until(() => accepted.length === 1, "the connection is accepted");
      assertEquals(peers, [{ address: "127.0.0.1", port: peer.localPort!, transport: "tcp" }]);
      assertEquals(accepted[0]!.transport.label, `tcp 127.0.0.1:${peer.localPort}`);
      peer.destroy();
    }));

  test("refuses a port that is in use, and names it", () =>
    open(async ({ port }) => {
      const error = await assertRejects(() => listenTcp({ host, port }, () => {}), ListenError);
      assertEquals(error.code, "EADDRINUSE");
      assertEquals(error.message, `Cannot listen on 127.0.0.1:${port}: the port is in use`);
    }));

  test("refuses an address that is not ours", async () => {
    const error = await assertRejects(() => listenTcp({ host: "192.0.2.1", port: 0 }, () => {}), ListenError);
    assertEquals(error.code, "EADDRNOTAVAIL");
  });

  test("after close() nobody can connect, and connections live on", () =>
    open(async ({ listener, port, accepted }) => {
      const peer = await rawPeer(port);
      await until(() => accepted.length === 1, "the connection is accepted");
      await listener.close();
      const late = connect({ port, host });
      const refused = await new Promise<Error>((resolve) => late.once("error", resolve));
      assertEquals((refused as { code?: string }).code, "ECONNREFUSED");
      peer.write("still here");
      await until(() => accepted[0]!.text === "still here", "bytes arrive");
      peer.destroy();
    }));

  test("a transport that is started late has lost nothing", async () => {
    let transport: Transport | undefined;
    await open(async ({ port }) => {
      const peer = await rawPeer(port);
      peer.end("early");
      await until(() => transport !== undefined, "the connection is accepted");
      let turns = 0;
      await until(() => turns++ > 50, "time goes on");
      const recorder = new Recorder(transport!);
      await until(() => recorder.closes.length === 1, "the end of the stream");
      assertEquals(recorder.text, "early");
      peer.destroy();
    }, (accepted) => transport = accepted);
  });

  test("a handler that throws ends its own connection and no other", async () => {
    const closes: (Error | undefined)[] = [];
    await open(async ({ port }) => {
      const [one, other] = [await rawPeer(port), await rawPeer(port)];
      one.write("x");
      await until(() => closes.length === 1, "the connection ends");
      assertEquals(closes[0]?.message, "our fault");
      let answer = "";
      other.setEncoding("utf8").on("data", (text: string) => answer += text);
      other.write("echo");
      await until(() => answer === "echo", "the other is served");
      one.destroy();
      other.destroy();
      await until(() => closes.length === 2, "the other ends");
    }, (transport) =>
      transport.start({
        received(chunk) {
          if (chunk[0] === 0x78) throw new Error("our fault");
          transport.write(chunk);
        },
        drained() {},
        closed: (error) => void closes.push(error),
      }));
  });
});

describe("dialTcp()", () => {
  test("rejects with the system's code when nobody listens", async () => {
    const { port, close } = await listenTcp({ host, port: 0 }, () => {});
    await close();
    const error = await assertRejects(() => dialTcp({ host, port }), Error);
    assertEquals((error as { code?: string }).code, "ECONNREFUSED");
  });
});

describe("TCP: the end of a connection", () => {
  test("a peer that ends its half still reads the answer to its last bytes", async () => {
    await open(async ({ port }) => {
      const peer = await rawPeer(port);
      let answer = "";
      let ended = false;
      peer.setEncoding("utf8").on("data", (text: string) => answer += text).on("end", () => ended = true);
      peer.end("question");
      await until(() => ended, "we end our half too");
      assertEquals(answer, "answer at once, answer at the end of the turn");
      peer.destroy();
    }, (transport) =>
      transport.start({
        received() {
          transport.write(utf8("answer at once, "));
          setImmediate(() => transport.write(utf8("answer at the end of the turn")));
        },
        drained() {},
        closed() {},
      }));
  });

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
      let turns = 0;
      await until(() => turns++ > 100, "the kernel's buffers are full");
      peer.resetAndDestroy();
      await until(() => ours.closes.length === 1, "our side ends");
      assertEquals(ours.intrusions, []);
    }));

  test("peers that reset at any moment end neither the listener nor the process", () =>
    open(async ({ port, accepted }) => {
      const sockets: Socket[] = [];
      for (let i = 0; i < 300; i++) {
        const socket = connect({ port, host });
        sockets.push(socket);
        socket.on("error", () => {});
        // Before the handshake is over, just after it (before or while we accept), and with bytes under way.
        if (i % 3 === 0) socket.resetAndDestroy();
        else {
          socket.once("connect", () => {
            if (i % 3 === 1) socket.write("half a pack");
            socket.resetAndDestroy();
          });
        }
      }
      await until(() => sockets.every((socket) => socket.closed), "all peers are gone");
      // These were all accepted before the last one, which is served.
      const last = await rawPeer(port);
      last.write("alive");
      await until(() => accepted.some((ours) => ours.text === "alive"), "the last one is served");
      await until(
        () => accepted.every((ours) => ours.text === "alive" || ours.closes.length === 1),
        "all others end",
      );
      last.destroy();
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

/** Bun gives a test 5 s if nothing is said. */
const patient = { timeout: 2 * LIMIT_MS };

describe("TCP: many connections", () => {
  test("a sender that never rests leaves room for others", async () => {
    await open(async ({ port }) => {
      const busy = await rawPeer(port);
      const block = pattern(256 * 1024);
      let sending = true;
      const send = () => {
        while (sending && busy.write(block));
      };
      busy.on("drain", send);
      send();
      const quiet = await rawPeer(port);
      let answers = 0;
      quiet.on("data", () => {
        if (++answers < 20) quiet.write("x");
      });
      quiet.write("x");
      await until(() => answers === 20, "the quiet one is answered");
      sending = false;
      busy.destroy();
      quiet.destroy();
    }, (transport) =>
      transport.start({
        received(chunk) {
          if (chunk.length === 1 && chunk[0] === 0x78) transport.write(chunk);
        },
        drained() {},
        closed() {},
      }));
  });

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
          { encoding: "utf8", timeout: LIMIT_MS },
        );
        assert(stdout !== "", `${count} connections were not open after ${LIMIT_MS} ms`);
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

  test("when descriptors run out the listener goes on as soon as there are some again", patient, async () => {
    const shell = `ulimit -n 100; exec "$0" "$@"`;
    const near = spawn("sh", ["-c", shell, process.execPath, ...childArguments, "listen"]);
    const lines = linesOf(near);
    try {
      await until(() => lines.length > 0, "the child listens");
      const port = Number(lines[0]!.port);
      const sockets: Socket[] = [];
      for (let i = 0; i < 120; i++) sockets.push(await rawPeer(port));
      // All handshakes are done by the kernel; the last one is not accepted yet.
      const last = sockets.at(-1)!;
      let answer = "";
      last.setEncoding("utf8").on("data", (text: string) => answer += text);
      last.write("served");
      if ("Deno" in globalThis) await until(() => lines.length > 1, "the trouble is told");
      assertEquals(answer, "");
      for (const socket of sockets.slice(0, 60)) socket.destroy();
      await until(() => answer === "served", "the last one is served");
      for (const socket of sockets) socket.destroy();
      assertEquals(lines.length, "Deno" in globalThis ? 2 : 1, "the trouble is told once");
    } finally {
      await end(near);
    }
  });
});

function pumpForever(recorder: Recorder): void {
  const block = pattern(1024 * 1024);
  const go = () => {
    while (recorder.call((transport) => transport.write(block)) === block.length);
  };
  recorder.onDrained = go;
  go();
}
