/**
 * What listeners and calls must do on every kind of network: one suite, two subjects (TCP, TLS), on each runtime.
 * Knows sockets of Node's as peers; refuses to know the adapters.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import { AFTER_CLOSE_BYTES_MAX } from "../runtime/endpoint.ts";
import {
  type Accept,
  type Listener,
  ListenError,
  type ListenOptions,
  systemCode,
} from "../runtime/listen.ts";
import type { PeerInfo, Transport } from "../transport/mod.ts";
import { type Joined, pattern, Recorder, transportContract, utf8 } from "./transport_contract.ts";
import { patient, until } from "./patience.ts";

/** Where everything happens. */
export const host = "127.0.0.1";

/** A subject of the suite. */
export interface Network {
  readonly kind: "tcp" | "tls";
  listen(options: ListenOptions, accept: Accept): Promise<Listener>;
  dial(options: { readonly host: string; readonly port: number }): Promise<Transport>;
  /** Connects a peer that speaks this network's language and can do what our own transports will not. */
  peer(port: number): Promise<Socket>;
  /** Whether the accepted transport can carry bytes. */
  isReady(transport: Transport): boolean;
  /** Peers that reset, each at another moment. */
  readonly resets: readonly ((port: number) => Socket)[];
  /** What makes `tcp_child.ts` listen. */
  readonly childCommand: string;
  /** Whether a listener tells that descriptors ran out. */
  readonly tellsShortage: boolean;
}

/** A listener, and what it accepted. */
export interface Door {
  readonly listener: Listener;
  readonly port: number;
  readonly accepted: Recorder[];
  readonly peers: PeerInfo[];
}

/** Lets the loop go round so many times. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Opens a door for a test, and closes what the test leaves open. */
export async function opened(
  listen: Network["listen"],
  body: (door: Door) => Promise<void>,
  accept?: (transport: Transport) => void,
): Promise<void> {
  const accepted: Recorder[] = [];
  const peers: PeerInfo[] = [];
  const listener = await listen({ host, port: 0 }, (transport, peer) => {
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

/** A peer that knows nothing but TCP. */
export async function rawPeer(port: number): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

/** Node ends what it has no descriptor for. Elsewhere such a connection waits to be accepted. */
const endsShort = !("Deno" in globalThis) && !("Bun" in globalThis);

const child = fileURLToPath(new URL("./tcp_child.ts", import.meta.url));
/** Arguments that make this very runtime run the child. Deno's own cache would need descriptors, of which the child has few. */
export const childArguments: readonly string[] = "Deno" in globalThis
  ? ["run", "-A", "--no-check", "--no-code-cache", child]
  : [child];

/** The lines of JSON that a child has written so far. */
export function linesOf(process: ChildProcess): Record<string, unknown>[] {
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
export async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null) return;
  const gone = new Promise((resolve) => process.once("exit", resolve));
  process.stdin!.end();
  process.kill("SIGKILL");
  await gone;
}

/** The suite, the contract of all transports included. */
export function networkContract(network: Network): void {
  const { kind, listen, dial, peer: peerAt } = network;
  const name = kind.toUpperCase();

  function open(body: (door: Door) => Promise<void>, accept?: (transport: Transport) => void): Promise<void> {
    return opened(listen, body, accept);
  }

  async function joined(): Promise<Joined> {
    let right: Transport | undefined;
    const listener = await listen({ host, port: 0 }, (transport) => right = transport);
    const left = await dial({ host, port: listener.port });
    // What the one that calls has seen of a handshake, the other need not.
    await until(() => right !== undefined && network.isReady(right), "the connection is accepted");
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

  transportContract(name, joined);

  describe(`${name}: a listener`, () => {
    test("says where it listens and who calls, before that says anything", () =>
      open(async ({ listener, port, accepted, peers }) => {
        assertEquals(listener.host, host);
        assert(port > 0);
        const peer = await rawPeer(port);
        await until(() => accepted.length === 1, "the connection is accepted");
        assertEquals(peers, [{ address: "127.0.0.1", port: peer.localPort!, transport: kind }]);
        assertEquals(accepted[0]!.transport.label, `${kind} 127.0.0.1:${peer.localPort}`);
        peer.destroy();
      }));

    test("refuses a port that is in use, and names it", () =>
      open(async ({ port }) => {
        const error = await assertRejects(() => listen({ host, port }, () => {}), ListenError);
        assertEquals(error.code, "EADDRINUSE");
        assertEquals(error.message, `Cannot listen on 127.0.0.1:${port}: the port is in use`);
      }));

    test("refuses an address that is not ours", async () => {
      const error = await assertRejects(() => listen({ host: "192.0.2.1", port: 0 }, () => {}), ListenError);
      assertEquals(error.code, "EADDRNOTAVAIL");
    });

    test("after close() accepts no connection, and those that are open live on", () =>
      open(async ({ listener, port, accepted }) => {
        const peer = await peerAt(port);
        await until(() => accepted.length === 1, "the connection is accepted");
        await listener.close();
        const late = connect({ port, host });
        const refused = await new Promise<Error>((resolve) => late.once("error", resolve));
        assertEquals(systemCode(refused), "ECONNREFUSED");
        peer.write("still here");
        await until(() => accepted[0]!.text === "still here", "bytes arrive");
        peer.destroy();
      }));

    test("has lost nothing for a transport that is started late", async () => {
      let transport: Transport | undefined;
      await open(async ({ port }) => {
        const peer = await peerAt(port);
        peer.end("early");
        await until(
          () => transport !== undefined && network.isReady(transport),
          "the connection is accepted",
        );
        await turns(50);
        const recorder = new Recorder(transport!);
        await until(() => recorder.closes.length === 1, "the end of the stream");
        assertEquals(recorder.text, "early");
        peer.destroy();
      }, (accepted) => transport = accepted);
    });

    test("ends the connection of a handler that throws, and no other", async () => {
      const closes: (Error | undefined)[] = [];
      await open(async ({ port }) => {
        const [one, other] = [await peerAt(port), await peerAt(port)];
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

  describe(`${name}: a call`, () => {
    test("rejects with the system's code when the port is closed", async () => {
      const { port, close } = await listen({ host, port: 0 }, () => {});
      await close();
      const error = await assertRejects(() => dial({ host, port }), Error);
      assertEquals(systemCode(error), "ECONNREFUSED");
    });
  });

  describe(`${name}: a peer`, () => {
    test("that ends its half still reads the answer to its last bytes", async () => {
      await open(async ({ port }) => {
        const peer = await peerAt(port);
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

    test(
      "that resets at any moment ends neither the listener nor the process",
      patient,
      () =>
        open(async ({ port, accepted }) => {
          const sockets: Socket[] = [];
          for (let i = 0; i < 240; i++) {
            const socket = network.resets[i % network.resets.length]!(port);
            sockets.push(socket);
            socket.on("error", () => {});
          }
          await until(() => sockets.every((socket) => socket.destroyed), "all peers are gone");
          // These were all accepted before the last one, which is served.
          const last = await peerAt(port);
          last.write("alive");
          await until(() => accepted.some((ours) => ours.text === "alive"), "the last one is served");
          await until(
            () => accepted.every((ours) => ours.text === "alive" || ours.closes.length === 1),
            "all others end",
          );
          last.destroy();
        }),
    );

    // Bun reads as it likes in a turn, which nothing here can change: some MiB.
    const onlyDeno = { ...patient, skip: !("Deno" in globalThis) };
    test(
      "whose bytes wait is read in portions, and the event loop turns between them",
      onlyDeno,
      () =>
        open(async ({ port, accepted }) => {
          const peer = await peerAt(port);
          await until(
            () => accepted.length === 1 && network.isReady(accepted[0]!.transport),
            "the connection is accepted",
          );
          const ours = accepted[0]!;
          ours.call((transport) => transport.pause());
          const total = 8 * 1024 * 1024;
          peer.write(new Uint8Array(total));
          let turns = 0;
          await until(() => turns++ > 100, "the kernel's buffers are full");
          let bytes = 0;
          let most = 0;
          ours.onReceived = ({ length }) => most = Math.max(most, bytes += length);
          const turned = () => {
            bytes = 0;
            if (ours.length < total) setImmediate(turned);
          };
          setImmediate(turned);
          ours.call((transport) => transport.resume());
          await until(() => ours.length === total, "all of it arrives");
          assert(most <= 640 * 1024, `${most} bytes were read without a turn`);
          peer.destroy();
        }),
    );

    test("that goes on sending after our close() is cut off", patient, async () => {
      await open(async ({ port, accepted }) => {
        const peer = await peerAt(port);
        let sent = 0;
        let isOver = false;
        peer.on("error", () => {}).on("close", () => isOver = true).resume();
        peer.write("x");
        await until(() => accepted[0]?.length === 1, "it is accepted");
        accepted[0]!.call((transport) => transport.close());
        const block = pattern(64 * 1024);
        const send = () => {
          if (!isOver) peer.write(block, () => setImmediate(send));
          sent += block.length;
        };
        send();
        await until(() => accepted[0]!.closes.length === 1 && isOver, "both sides are over");
        assert(sent > AFTER_CLOSE_BYTES_MAX);
        assertEquals(accepted[0]!.length, 1);
      });
    });

    test("that never rests leaves room for others", patient, async () => {
      await open(async ({ port }) => {
        const busy = await peerAt(port);
        const block = pattern(256 * 1024);
        let sending = true;
        const send = () => {
          while (sending && busy.write(block));
        };
        busy.on("drain", send);
        send();
        const quiet = await peerAt(port);
        let answers = 0;
        quiet.on("data", () => {
          if (++answers < 20) quiet.write("x");
        });
        quiet.write("x");
        await until(() => answers === 20, "the quiet one is answered");
        sending = false;
        busy.destroy();
        quiet.destroy();
      }, (transport) => {
        let owed = 0;
        const answer = () => owed -= transport.write(utf8("x".repeat(owed)));
        transport.start({
          received(chunk) {
            if (chunk.length > 1 || chunk[0] !== 0x78) return;
            owed++;
            answer();
          },
          drained: answer,
          closed() {},
        });
      });
    });
  });

  test(
    `${name}: when descriptors run out the listener goes on as soon as there are some again`,
    patient,
    async () => {
      const shell = `ulimit -n 100; exec "$0" "$@"`;
      const near = spawn("sh", ["-c", shell, process.execPath, ...childArguments, network.childCommand]);
      const lines = linesOf(near);
      try {
        await until(() => lines.length > 0, "the child listens");
        const port = Number(lines[0]!.port);
        const sockets: Socket[] = [];
        for (let i = 0; i < 120; i++) sockets.push(await rawPeer(port)); // the kernel needs nobody for that
        if (network.tellsShortage) await until(() => lines.length > 1, "the trouble is told");
        else await turns(100);
        let answer = "";
        const call = async () => {
          const last = await peerAt(port);
          sockets.push(last);
          last.setEncoding("utf8").on("data", (text: string) => answer ||= text);
          last.write("served");
        };
        if (!endsShort) void call(); // behind those that wait to be accepted
        await turns(100);
        for (const socket of sockets.slice(0, 60)) socket.destroy();
        let looks = 0;
        await until(() => {
          if (endsShort && looks++ % 100 === 0) void call(); // the listener may not know yet that they are gone
          return answer === "served";
        }, "the last one is served");
        for (const socket of sockets) socket.destroy();
        assertEquals(lines.length, network.tellsShortage ? 2 : 1, "the trouble is told once");
      } finally {
        await end(near);
      }
    },
  );
}
