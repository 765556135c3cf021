/**
 * Strangers who open connections and say nothing, from one address and from many, as PROXY headers name them; a Client goes on meanwhile.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { connectAsync, type MqttClient } from "mqtt";
import { connect, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { LIMITS } from "../broker/mod.ts";
import { encodePacket, PacketType } from "../codec/mod.ts";
import { patient, until, WAIT_MS } from "../testing/patience.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";
import { type PeerInfo, type Refusal, serve, type ServeOptions, type Server } from "./serve.ts";

const HOME = "192.0.2.7";
/** Nobody is ended for being slow. */
const PATIENT = { connectTimeoutMs: WAIT_MS };
const PROXIED = { url: "mqtt://127.0.0.1:0", proxyProtocol: ["127.0.0.1"] };
const PROXIED_TLS = { ...PROXIED, url: "mqtts://127.0.0.1:0", tls: { cert: CERT, key: KEY } };

/** A broker, its ports, and what its hooks tell. */
class Scene {
  readonly server: Server;
  readonly refused: string[];
  readonly limited: string[];

  constructor(server: Server, refused: string[], limited: string[]) {
    this.server = server;
    this.refused = refused;
    this.limited = limited;
  }

  port(at = 0): number {
    return Number(new URL(this.server.addresses[at]!).port);
  }
}

async function served(options: ServeOptions, body: (scene: Scene) => Promise<void>): Promise<void> {
  const refused: string[] = [];
  const limited: string[] = [];
  const hooks = {
    refused: (_peer: PeerInfo, { rule }: Refusal) => void refused.push(rule),
    limited: (limit: string, who: string) => void limited.push(`${limit} ${who}`),
  };
  const server = await serve({ listen: [PROXIED], hooks, ...options });
  try {
    await body(new Scene(server, refused, limited));
  } finally {
    await server.close();
  }
}

interface Stranger extends Socket {
  bytes: number;
  isOver: boolean;
}

/** A connection for which a proxy names this address; `first` are its first bytes. */
async function stranger(
  port: number,
  address: string,
  first: Uint8Array = Uint8Array.of(0x10),
): Promise<Stranger> {
  const socket = Object.assign(connect({ port, host: "127.0.0.1", noDelay: true }), {
    bytes: 0,
    isOver: false,
  });
  socket.on("error", () => {}).on("data", ({ length }) => socket.bytes += length);
  const over = new Promise((resolve) =>
    socket.once("close", () => resolve(socket.isOver = true)).once("end", () => socket.destroy())
  );
  await Promise.race([over, new Promise((resolve) => socket.once("connect", resolve))]);
  const [family, to] = address.includes(":") ? ["TCP6", "2001:db8::1"] : ["TCP4", "192.0.2.1"];
  const header = new TextEncoder().encode(`PROXY ${family} ${address} ${to} 4711 1883\r\n`);
  if (!socket.isOver) socket.write(Uint8Array.of(...header, ...first));
  return socket;
}

function connectPacket(clientId: string): Uint8Array {
  return encodePacket({ type: PacketType.CONNECT, level: 4, cleanStart: true, keepAlive: 0, clientId }, 4);
}

/** A Client behind a relay that says for whom it speaks. */
async function healthy(port: number, address: string, scheme: "mqtt" | "mqtts" = "mqtt") {
  const relay = createServer((near) => {
    const far = connect({ port, host: "127.0.0.1" });
    far.write(`PROXY TCP4 ${address} 192.0.2.1 4711 1883\r\n`);
    near.pipe(far).pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    for (const socket of [near, far]) socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  const at = (relay.address() as { readonly port: number }).port;
  const client = await connectAsync(`${scheme}://127.0.0.1:${at}`, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: WAIT_MS,
    ca: CA,
  });
  client.on("error", () => {});
  await client.subscribeAsync("echo", { qos: 1 });
  let got = 0;
  client.on("message", () => got++);
  let sent = 0;
  return {
    /** A message to itself. */
    async roundTrip(): Promise<void> {
      await client.publishAsync("echo", `${++sent}`, { qos: 1 });
      await until(() => got === sent, "the message comes back");
    },
    async close(): Promise<void> {
      await (client as MqttClient).endAsync();
      relay.close();
    },
  };
}

/** Opens so many, some at a time; a Client's messages go to and fro between. */
async function flood(
  count: number,
  open: (i: number) => Promise<Stranger>,
  client: { roundTrip(): Promise<void> },
  look: () => void,
): Promise<Stranger[]> {
  const opened: Stranger[] = [];
  while (opened.length < count) {
    const wave = Array.from(
      { length: Math.min(250, count - opened.length) },
      (_, i) => open(opened.length + i),
    );
    opened.push(...await Promise.all(wave));
    await client.roundTrip();
    look();
  }
  return opened;
}

const FLOOD = 10_000;
/** Much more than a connection that has sent one byte takes. */
const CONNECTION_BYTES_MAX = 32 * 1024;

describe(`${FLOOD} connections that say nothing`, () => {
  /** Floods; returns the most connections that there were, and how many strangers are left. */
  async function attack(scene: Scene, addressOf: (i: number) => string) {
    const port = scene.port();
    const client = await healthy(port, "203.0.113.1");
    let most = 0;
    const strangers = await flood(FLOOD, (i) => stranger(port, addressOf(i)), client, () => {
      most = Math.max(most, scene.server.broker.connections);
    });
    await until(
      () => strangers.filter(({ isOver }) => !isOver).length < scene.server.broker.connections,
      "all that are refused are closed",
    );
    await client.roundTrip();
    const { connected, connections, memory } = scene.server.broker.stats;
    assertEquals(connected, 1);
    assert(memory.connections + memory.incoming < connections * CONNECTION_BYTES_MAX);
    const words = strangers.filter(({ bytes }) => bytes > 0).length;
    for (const socket of strangers) socket.destroy();
    await until(() => scene.server.broker.connections === 1, "all places are given back");
    // Who comes from there later is let in.
    const late = await healthy(port, addressOf(0));
    await late.roundTrip();
    await late.close();
    await client.close();
    return { most, words };
  }

  test(
    "from one address take no more places than it may have, and a Client of another address notices nothing",
    patient,
    () =>
      served({
        limits: { addressConnectionsMax: 500, addressConnectRateMax: 0, ...PATIENT },
      }, async (scene) => {
        const { most, words } = await attack(scene, () => HOME);
        assert(most <= 501, `${most} connections`);
        assertEquals(words, 0); // they are closed at once, without a word
        assert(scene.refused.includes("limit/address-connections"));
        assertEquals(scene.limited, [`addressConnectionsMax ${HOME}`]);
      }),
  );

  test(
    "from as many addresses take no more places than there are for Clients that have said nothing yet",
    patient,
    () =>
      served({ limits: { connectingMax: 1_000, connectRateMax: 0, ...PATIENT } }, async (scene) => {
        const { most } = await attack(scene, (i) => `198.18.${i >> 8}.${i & 255}`);
        assert(most <= 1_002, `${most} connections`);
        assertEquals(new Set(scene.refused), new Set(["limit/connecting"]));
      }),
  );
});

test(
  "500 devices behind one address come in together, though as many dead connections of theirs are open",
  patient,
  () =>
    served({ limits: PATIENT }, async (scene) => {
      const home = (first: number) =>
        Promise.all(
          Array.from(
            { length: 500 },
            (_, i) => stranger(scene.port(), HOME, connectPacket(`device ${first + i}`)),
          ),
        );
      const dead = await home(0);
      await until(() => dead.every(({ bytes }) => bytes === 4), "all are accepted");
      const again = await home(0);
      await until(() => again.every(({ bytes }) => bytes === 4), "all are accepted again");
      await until(() => dead.every(({ isOver }) => isOver), "they are taken over");
      assertEquals([scene.refused, scene.limited], [[], []]);
      assertEquals(again.some(({ isOver }) => isOver), false);
      for (const socket of again) socket.destroy();
    }),
);

describe("a place is given back", () => {
  const limits = {
    addressConnectionsMax: 1,
    addressConnectRateMax: 0,
    connectTimeoutMs: 300,
    closeTimeoutMs: 300,
  };
  const ends: readonly (readonly [string, Uint8Array, (socket: Stranger) => void])[] = [
    ["when its peer closes the connection", connectPacket("a"), (socket) => socket.destroy()],
    ["when its peer says good-bye", Uint8Array.of(...connectPacket("a"), 0xe0, 0), () => {}],
    ["when its peer is refused", Uint8Array.of(0x30, 0), () => {}],
    ["when its peer says nothing in time", Uint8Array.of(0x10), () => {}],
  ];
  for (const [when, first, end] of ends) {
    test(
      `${when}, with TLS or without`,
      patient,
      () =>
        served({ listen: [PROXIED, PROXIED_TLS], limits }, async (scene) => {
          for (const at of [0, 1, 0, 1]) {
            const socket = await stranger(scene.port(at), HOME, first);
            await until(() => socket.isOver || scene.server.broker.connections === 1, "it is accepted");
            end(socket);
            await until(() => socket.isOver && scene.server.broker.connections === 0, "it is over");
          }
          assertEquals(scene.refused.includes("limit/address-connections"), false);
        }),
    );
  }
});

describe("slow TLS handshakes", () => {
  test(
    "of one address take its places, at all listeners together; others come in meanwhile",
    patient,
    () =>
      served({
        listen: [PROXIED_TLS, PROXIED_TLS],
        limits: { addressConnectionsMax: 20, ...PATIENT },
      }, async (scene) => {
        const hello = Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3);
        const slow = await Promise.all(
          Array.from(
            { length: 100 },
            (_, i) => stranger(scene.port(i % 2), `2001:db8::${i.toString(16)}`, hello),
          ),
        );
        await until(() => slow.filter(({ isOver }) => !isOver).length === 20, "20 are left");
        assertEquals(scene.limited, ["addressConnectionsMax 2001:db8::/64"]);
        const client = await healthy(scene.port(), HOME, "mqtts");
        await client.roundTrip();
        await client.close();
        const neighbour = await stranger(scene.port(), "2001:db8:0:1::1", hello);
        await until(() => scene.server.broker.connections === 21, "another /64 is another address");
        for (const socket of [...slow, neighbour]) socket.destroy();
      }),
  );
});

test(
  "limits of addresses are those of the listener, and other ones hold at once for the next connection",
  patient,
  () =>
    served({
      listen: [{ ...PROXIED, limits: { ...PATIENT, addressConnectionsMax: 2 } }, {
        ...PROXIED,
        limits: { ...PATIENT, addressConnectionsMax: 0 },
      }],
    }, async (scene) => {
      const { server } = scene;
      const open: Stranger[] = [];
      const come = async (at: number) => {
        const before = server.broker.connections;
        const socket = await stranger(scene.port(at), HOME);
        await until(() => socket.isOver || server.broker.connections > before, "it is in, or refused");
        open.push(socket);
        return socket.isOver ? "refused" : "in";
      };
      assertEquals([await come(1), await come(1), await come(1)], ["in", "in", "in"]);
      assertEquals(await come(0), "refused");
      const listen = [4, 1].map((addressConnectionsMax) => ({
        ...PROXIED,
        limits: { ...PATIENT, addressConnectionsMax },
      }));
      await server.reconfigure({ listen });
      assertEquals(server.broker.connections, 3);
      assertEquals([await come(0), await come(0), await come(1)], ["in", "refused", "refused"]);
      for (const socket of open) socket.destroy();
    }),
);

test("by default a flood of one address leaves most places to others, at the door and behind it", () => {
  const most = LIMITS.addressConnectionsMax.default;
  assert(most * 5 <= LIMITS.connectingMax.default);
  // A burst, and what comes while the first of it may be silent, have room: nobody gives way before his time is over.
  const { connectRateMax, connectTimeoutMs, connectingMax } = LIMITS;
  const arrivals = connectRateMax.default * (10 + connectTimeoutMs.default / 1000);
  assert(arrivals <= connectingMax.default);
});
