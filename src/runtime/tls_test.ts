/**
 * TLS of the runtime the tests run on: the contract of all transports, and what peers can do to a handshake.
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { spawn } from "node:child_process";
import { connect as connectTcp, type Socket } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { CA, CERT, KEY, OTHER_KEY } from "../testing/tls.ts";
import { type Joined, pattern, Recorder, transportContract, utf8 } from "../testing/transport_contract.ts";
import type { Transport } from "../transport/mod.ts";
import { type Listener, ListenError, type PeerInfo, systemCode } from "./listen.ts";
import { dialTls, listenTls } from "./tls.ts";
import { CertificateError } from "./tls_options.ts";

/** Nothing here takes so long unless it never comes. */
const LIMIT_MS = 20_000;
/** Bun gives a test 5 s if nothing is said. */
const patient = { timeout: 2 * LIMIT_MS };
const host = "127.0.0.1";
const tls = { cert: CERT, key: KEY };

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`It never came to this: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function isSecured(transport: Transport | undefined): boolean {
  return (transport as { readonly isSecured?: boolean } | undefined)?.isSecured === true;
}

async function joined(): Promise<Joined> {
  let right: Transport | undefined;
  const listener = await listenTls({ host, port: 0, tls }, (transport) => right = transport);
  const left = await dialTls({ host, port: listener.port }, { ca: CA });
  // What the Client has seen of the handshake, the Server need not.
  await until(() => isSecured(right), "the handshake is done");
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

transportContract("TLS", joined);

/** A listener, and what it accepted. */
interface Door {
  readonly listener: Listener;
  readonly port: number;
  readonly accepted: Recorder[];
  readonly peers: PeerInfo[];
  /** Handshakes that failed, and why. */
  readonly failures: (readonly [PeerInfo, Error])[];
}

async function open(
  body: (door: Door) => Promise<void>,
  accept?: (transport: Transport) => void,
): Promise<void> {
  const accepted: Recorder[] = [];
  const peers: PeerInfo[] = [];
  const failures: (readonly [PeerInfo, Error])[] = [];
  const handshakeFailed = (peer: PeerInfo, error: Error) => void failures.push([peer, error]);
  const listener = await listenTls({ host, port: 0, tls, handshakeFailed }, (transport, peer) => {
    peers.push(peer);
    if (accept === undefined) accepted.push(new Recorder(transport));
    else accept(transport);
  });
  try {
    await body({ listener, port: listener.port, accepted, peers, failures });
  } finally {
    for (const { transport } of accepted) transport.abort();
    await listener.close();
  }
}

/** A peer that knows nothing of TLS. */
async function rawPeer(port: number): Promise<Socket> {
  const socket = connectTcp({ port, host, allowHalfOpen: true, noDelay: true });
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

/** A peer that can do what our own transports will not. */
async function tlsPeer(port: number): Promise<TLSSocket> {
  const socket = connectTls({ port, host, ca: CA, allowHalfOpen: true } as object);
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  return socket;
}

describe("listenTls()", () => {
  test("says where it listens and who calls", () =>
    open(async ({ listener, port, accepted, peers }) => {
      assertEquals(listener.host, host);
      const peer = await rawPeer(port);
      await until(() => accepted.length === 1, "the connection is accepted, before it says anything");
      assertEquals(peers, [{ address: "127.0.0.1", port: peer.localPort!, transport: "tls" }]);
      assertEquals(accepted[0]!.transport.label, `tls 127.0.0.1:${peer.localPort}`);
      peer.destroy();
    }));

  test("refuses a port that is in use, and an address that is not ours", () =>
    open(async ({ port }) => {
      const busy = await assertRejects(() => listenTls({ host, port, tls }, () => {}), ListenError);
      assertEquals(busy.message, `Cannot listen on 127.0.0.1:${port}: the port is in use`);
      const elsewhere = { host: "192.0.2.1", port: 0, tls };
      const foreign = await assertRejects(() => listenTls(elsewhere, () => {}), ListenError);
      assertEquals(foreign.code, "EADDRNOTAVAIL");
    }));

  test("refuses a key of another certificate", async () => {
    const wrong = { host, port: 0, tls: { cert: CERT, key: OTHER_KEY } };
    await assertRejects(() => listenTls(wrong, () => {}), CertificateError);
  });

  test("after close() nobody can connect, and connections live on", () =>
    open(async ({ listener, port, accepted }) => {
      const peer = await tlsPeer(port);
      await listener.close();
      const late = connectTcp({ port, host });
      const refused = await new Promise<Error>((resolve) => late.once("error", resolve));
      assertEquals(systemCode(refused), "ECONNREFUSED");
      peer.write("still here");
      await until(() => accepted[0]?.text === "still here", "bytes arrive");
      peer.destroy();
    }));

  test("a transport that is started late has lost nothing", async () => {
    let transport: Transport | undefined;
    await open(async ({ port }) => {
      const peer = await tlsPeer(port);
      peer.end("early");
      await until(() => isSecured(transport), "the handshake is done");
      let turns = 0;
      await until(() => turns++ > 50, "time goes on");
      const recorder = new Recorder(transport!);
      await until(() => recorder.closes.length === 1, "the end of the stream");
      assertEquals(recorder.text, "early");
      peer.destroy();
    }, (accepted) => transport = accepted);
  });

  test("write() takes nothing before the handshake is done; then drained() comes", async () => {
    let taken: number | undefined;
    let answer = "";
    await open(async ({ port }) => {
      const peer = await tlsPeer(port);
      peer.setEncoding("utf8").on("data", (text: string) => answer += text);
      await until(() => answer === "welcome", "it is written when it can be");
      assertEquals(taken, 0);
      peer.destroy();
    }, (transport) => {
      const greet = () => transport.write(utf8("welcome"));
      transport.start({ received() {}, drained: () => void greet(), closed() {} });
      taken = greet();
    });
  });

  test("a handler that throws ends its own connection and no other", async () => {
    const closes: (Error | undefined)[] = [];
    await open(async ({ port }) => {
      const [one, other] = [await tlsPeer(port), await tlsPeer(port)];
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

describe("dialTls()", () => {
  test("rejects with the system's code when nobody listens", async () => {
    const listener = await listenTls({ host, port: 0, tls }, () => {});
    await listener.close();
    const error = await assertRejects(() => dialTls({ host, port: listener.port }, { ca: CA }), Error);
    assertEquals(systemCode(error), "ECONNREFUSED");
  });

  test("trusts whom its CA has vouched for, by address and by name", () =>
    open(async ({ port, accepted }) => {
      for (const name of [host, "localhost"]) {
        const transport = await dialTls({ host: name, port }, { ca: CA });
        transport.write(utf8(name));
        await until(() => accepted.some(({ text }) => text === name), `${name} is called`);
        transport.abort();
      }
    }));

  test("trusts nobody else, unless it is told to", () =>
    open(async ({ port, accepted }) => {
      await assertRejects(() => dialTls({ host, port }, {}), Error);
      (await dialTls({ host, port }, { insecure: true })).abort();
      await until(() => accepted.every(({ closes }) => closes.length === 1), "all are over");
    }));

  test("does not take a trusted Server for another one", async () => {
    const listener = await listenTls({ host: "0.0.0.0", port: 0, tls }, (transport) => {
      new Recorder(transport);
    });
    try {
      await assertRejects(() => dialTls({ host: "127.0.0.2", port: listener.port }, { ca: CA }), Error);
      (await dialTls({ host: "127.0.0.2", port: listener.port }, { ca: CA, insecure: true })).abort();
    } finally {
      await listener.close();
    }
  });

  test("rejects when the peer knows nothing of TLS, or leaves", async () => {
    const { createServer } = await import("node:net");
    for (const answer of ["garbage garbage garbage", ""]) {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.end(answer);
      });
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      const { port } = server.address() as { readonly port: number };
      await assertRejects(() => dialTls({ host, port }, { ca: CA }), Error);
      server.close();
    }
  });
});

/** The first bytes of a ClientHello. */
const HALF_A_HELLO = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc);
const MQTT_CONNECT = Uint8Array.of(0x10, 12, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 0);

describe("TLS: handshakes that are never done", () => {
  for (
    const [what, bytes] of [["garbage", utf8("garbage garbage")], ["a plain CONNECT", MQTT_CONNECT]] as const
  ) {
    test(`${what} ends its own connection, and is told once`, () =>
      open(async ({ port, accepted, peers, failures }) => {
        const [good, bad] = [await tlsPeer(port), await rawPeer(port)];
        await until(() => accepted.length === 2, "both are accepted");
        bad.resume().write(bytes);
        await until(() => accepted[1]!.closes.length === 1, "the bad one ends");
        assertEquals(failures, [[peers[1]!, accepted[1]!.closes[0]!]]);
        assert(systemCode(failures[0]![1]) !== "ECONNRESET", "it has a reason");
        good.write("alive");
        await until(() => accepted[0]!.text === "alive", "the good one is served");
        assertEquals([accepted[0]!.closes.length, accepted[1]!.intrusions], [0, []]);
        good.destroy();
        bad.destroy();
      }));
  }

  for (
    const [how, leave] of [
      ["leaves", (peer: Socket) => void peer.end()],
      ["resets", (peer: Socket) => void peer.resetAndDestroy()],
      ["leaves in the middle of it", (peer: Socket) => void peer.end(HALF_A_HELLO)],
    ] as const
  ) {
    test(`a peer that ${how} is told as one that left`, () =>
      open(async ({ port, accepted, failures }) => {
        const peer = await rawPeer(port);
        await until(() => accepted.length === 1, "the connection is accepted");
        peer.resume();
        leave(peer);
        await until(() => accepted[0]!.closes.length === 1, "our side ends");
        assertEquals(failures.map(([, error]) => systemCode(error)), ["ECONNRESET"]);
        peer.destroy();
      }));
  }

  test("a Client that does not trust us ends its own connection", () =>
    open(async ({ port, accepted }) => {
      const stranger = connectTls({ port, host });
      await new Promise((resolve) => stranger.once("error", resolve));
      await until(() => accepted.length === 1 && accepted[0]!.closes.length === 1, "our side ends");
      assertEquals([accepted[0]!.length, accepted[0]!.intrusions], [0, []]);
    }));

  for (const end of ["close", "abort"] as const) {
    test(`one that stalls can be ended by ${end}(), paused or not, which is no failure`, () =>
      open(async ({ port, accepted, failures }) => {
        const [silent, slow] = [await rawPeer(port), await rawPeer(port)];
        slow.write(HALF_A_HELLO);
        await until(() => accepted.length === 2, "both are accepted");
        accepted[1]!.transport.pause();
        let ended = 0;
        for (const peer of [silent, slow]) {
          peer.on("close", () => ended++).on("end", () => peer.destroy()).resume();
        }
        for (const ours of accepted) ours.call((transport) => transport[end]());
        await until(() => accepted.every(({ closes }) => closes.length === 1), "our sides end");
        await until(() => ended === 2, "the peers see it");
        assertEquals(accepted.map(({ closes }) => closes[0]), [undefined, undefined]);
        assertEquals([failures, accepted[0]!.intrusions, accepted[1]!.intrusions], [[], [], []]);
      }));
  }

  test(
    "peers that reset at any moment end neither the listener nor the process",
    patient,
    () =>
      open(async ({ port, accepted }) => {
        const sockets: Socket[] = [];
        for (let i = 0; i < 200; i++) {
          const socket = i % 4 < 3 ? connectTcp({ port, host }) : connectTls({ port, host, ca: CA });
          sockets.push(socket);
          socket.on("error", () => {});
          // Before TCP's handshake is over, after it, in the midst of that of TLS, and just after that.
          if (i % 4 === 0) socket.resetAndDestroy();
          else {
            socket.once(i % 4 === 3 ? "secureConnect" : "connect", () => {
              if (i % 4 === 2) socket.write(HALF_A_HELLO);
              socket.destroy();
            });
          }
        }
        await until(() => sockets.every((socket) => socket.destroyed), "all peers are gone");
        const last = await tlsPeer(port);
        last.write("alive");
        await until(() => accepted.some((ours) => ours.text === "alive"), "the last one is served");
        await until(
          () => accepted.every((ours) => ours.text === "alive" || ours.closes.length === 1),
          "all others end",
        );
        last.destroy();
      }),
  );
});

describe("TLS: the end of a connection", () => {
  test("a peer that ends its half still reads the answer to its last bytes", async () => {
    await open(async ({ port }) => {
      const peer = await tlsPeer(port);
      let answer = "";
      let ended = false;
      peer.setEncoding("utf8").on("data", (text: string) => answer += text).on("end", () => ended = true);
      peer.end("question");
      await until(() => ended, "we end our half too");
      assertEquals(answer, "answer at the end of the turn");
      peer.destroy();
    }, (transport) =>
      transport.start({
        received: () => void setImmediate(() => transport.write(utf8("answer at the end of the turn"))),
        drained() {},
        closed() {},
      }));
  });

  test("a peer that goes without a good-bye of TLS has gone all the same", () =>
    open(async ({ port, accepted }) => {
      const below = await rawPeer(port);
      const peer = connectTls({ socket: below, ca: CA, servername: "localhost" });
      peer.on("error", () => {});
      await new Promise((resolve) => peer.once("secureConnect", resolve));
      peer.write("last words");
      await until(() => accepted[0]?.text === "last words", "bytes arrive");
      below.destroy();
      await until(() => accepted[0]!.closes.length === 1, "our side ends");
      peer.destroy();
    }));
});

const child = fileURLToPath(new URL("../testing/tcp_child.ts", import.meta.url));
/** Arguments that make this very runtime run the child. */
const childArguments = "Deno" in globalThis ? ["run", "-A", "--no-check", child] : [child];

describe("TLS: many connections", () => {
  // Bun reads what it likes in a turn, which nothing here can change: some MiB.
  const onlyDeno = { skip: !("Deno" in globalThis) };
  test(
    "what waits in a socket is read in portions, and the event loop turns between them",
    onlyDeno,
    () =>
      open(async ({ port, accepted }) => {
        const peer = await tlsPeer(port);
        await until(() => isSecured(accepted[0]?.transport), "the handshake is done");
        const ours = accepted[0]!;
        ours.call((transport) => transport.pause());
        const total = 8 * 1024 * 1024;
        peer.write(new Uint8Array(total));
        let turns = 0;
        await until(() => turns++ > 100, "the kernel's buffers are full");
        let bytes = 0;
        let most = 0;
        ours.onReceived = ({ length }) => most = Math.max(most, bytes += length);
        ours.call((transport) => transport.resume());
        await until(() => {
          bytes = 0; // an immediate: the loop has turned
          return ours.length === total;
        }, "all of it arrives");
        assert(most <= 640 * 1024, `${most} bytes were read without a turn`);
        peer.destroy();
      }),
  );

  test("a sender that never rests leaves room for others", patient, async () => {
    await open(async ({ port }) => {
      const busy = await tlsPeer(port);
      const block = pattern(256 * 1024);
      let sending = true;
      const send = () => {
        while (sending && busy.write(block));
      };
      busy.on("drain", send);
      send();
      const quiet = await tlsPeer(port);
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

  test("when descriptors run out the listener goes on as soon as there are some again", patient, async () => {
    const shell = `ulimit -n 100; exec "$0" "$@"`;
    const near = spawn("sh", ["-c", shell, process.execPath, ...childArguments, "listen-tls"]);
    let said = "";
    near.stdout.setEncoding("utf8").on("data", (text: string) => said += text);
    try {
      await until(() => said.includes("\n"), "the child listens");
      const { port } = JSON.parse(said.split("\n")[0]!);
      const sockets: Socket[] = [];
      for (let i = 0; i < 120; i++) sockets.push(await rawPeer(port));
      let turns = 0;
      await until(() => turns++ > 100, "time goes on");
      for (const socket of sockets) socket.destroy();
      const last = await tlsPeer(port);
      let answer = "";
      last.setEncoding("utf8").on("data", (text: string) => answer += text);
      last.write("served");
      await until(() => answer === "served", "the last one is served");
      last.destroy();
    } finally {
      const gone = new Promise((resolve) => near.once("exit", resolve));
      near.kill("SIGKILL");
      await gone;
    }
  });
});
