/**
 * The files of a broker that is reloaded, each in as many versions as there are reloads, and how a Client sees which version holds.
 * Knows texts and what they bring about; refuses to know when they are read.
 * @module
 */
import { Buffer } from "node:buffer";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { type Packet, PacketType } from "../../../src/codec/mod.ts";
import { CERT, KEY, OTHER_CERT, OTHER_KEY } from "../../../src/testing/tls.ts";
import { CHEAP, passwordLine } from "../../lib/password_line.ts";
import type { PlumbChild } from "../../lib/plumb_child.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { Inbox, within } from "../../lib/within.ts";

const PASSWORD = "correct horse";
/** The user of every Client that stays. */
export const USER: { readonly username: string; readonly password: Uint8Array } = {
  username: "canary",
  password: new TextEncoder().encode(PASSWORD),
};
/** Any certificate will do: which one it is, is what is looked at. */
export const ANY_CERTIFICATE = { rejectUnauthorized: false } as const;

/** A packet of this size is taken in every version. */
const PACKET_BYTES_MAX = 1024 * 1024;
const PASSWORDS_READ = 'msg="file read again"';
/** What stands in the log besides, where a signal was the cause: everything is read then. */
export const TOLD_OF_SIGNAL: readonly string[] = ["signal=SIGHUP changed=", PASSWORDS_READ];

/** One of the four kinds of files. */
export interface Kind {
  readonly name: string;
  /** Writes version n. */
  write(n: number): void;
  /** What stands in the broker's log each time when it has been read. */
  readonly told: readonly string[];
  /** Whether a Client that comes now meets version n. */
  holds(n: number, broker: PlumbChild): Promise<boolean>;
}

/** The files of one broker, at version 0. */
export class Files {
  /** The one that names the others. */
  readonly config: string;
  readonly kinds: readonly Kind[];
  readonly #folder: string;
  /** A line of the password file behind the name. */
  readonly #verifier: string;

  private constructor(folder: string, verifier: string) {
    this.#folder = folder;
    this.#verifier = verifier;
    this.config = join(folder, "plumb.toml");
    this.kinds = [
      {
        name: "certificate",
        write: (n) => this.#certificate(n),
        told: ['msg="certificate read again"'],
        holds: showsCertificate,
      },
      {
        name: "password file",
        write: (n) => this.#passwords(n),
        told: [PASSWORDS_READ],
        holds: letsIn,
      },
      {
        name: "permissions",
        write: (n) => this.#permissions(n),
        told: ['msg="permissions read again"'],
        holds: grants,
      },
      {
        name: "limits",
        write: (n) => this.#limits(n),
        told: ["changed=limits.packet-bytes-max", PASSWORDS_READ],
        holds: limits,
      },
    ];
    for (const kind of this.kinds) kind.write(0);
  }

  /** Writes them into a folder. */
  static async write(folder: string): Promise<Files> {
    return new Files(folder, await passwordLine("", PASSWORD, CHEAP));
  }

  #write(name: string, text: string): void {
    const path = join(this.#folder, name);
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  #certificate(n: number): void {
    this.#write("cert.pem", certificateOf(n));
    this.#write("key.pem", n % 2 === 0 ? KEY : OTHER_KEY);
  }

  #passwords(n: number): void {
    this.#write("passwords", [USER.username, guest(n)].map((name) => `${name}${this.#verifier}`).join(""));
  }

  #permissions(n: number): void {
    this.#write(
      "permissions.toml",
      `[everyone]\nallow = [{ publish = "canary/#", subscribe = ["canary/#", "version/${n}"] }]\n`,
    );
  }

  #limits(n: number): void {
    const path = (name: string) => JSON.stringify(join(this.#folder, name));
    this.#write(
      "plumb.toml",
      `listen = ["mqtt://127.0.0.1:0", "mqtts://127.0.0.1:0"]
memory = true
permissions = ${path("permissions.toml")}
[login]
password-file = ${path("passwords")}
anonymous = "never"
[tls]
certificate = ${path("cert.pem")}
key = ${path("key.pem")}
[limits]
packet-bytes-max = ${PACKET_BYTES_MAX + n}
`,
    );
  }
}

function certificateOf(n: number): string {
  return n % 2 === 0 ? CERT : OTHER_CERT;
}

/** A user that only one version has. */
function guest(n: number): string {
  return `guest-${n}`;
}

/** What the Server answers to these packets, one after the other; undefined where it ends the connection. */
async function answers(broker: PlumbChild, packets: readonly Packet[]): Promise<(Packet | undefined)[]> {
  const came = new Inbox<Packet | undefined>();
  const client = new RawClient(broker.port(), 5, {
    packet: (packet) => came.put(packet),
    closed: () => came.put(undefined),
  });
  const all: (Packet | undefined)[] = [];
  for (const packet of packets) {
    client.send(packet);
    all.push(await came.take("an answer"));
    if (all.at(-1) === undefined) return all;
  }
  client.send({ type: PacketType.DISCONNECT, reasonCode: 0 });
  client.end();
  await client.closed();
  return all;
}

async function showsCertificate(n: number, broker: PlumbChild): Promise<boolean> {
  const socket = connect({ port: broker.port("mqtts"), host: "127.0.0.1", ...ANY_CERTIFICATE });
  const shown = new Promise<Uint8Array>((resolve, reject) => {
    socket.once("secureConnect", () => resolve(socket.getPeerCertificate().raw));
    socket.once("error", reject);
  });
  try {
    const der = Buffer.from(await within(shown, "a TLS handshake")).toString("base64");
    return der === certificateOf(n).replace(/-----.*-----|\s/g, "");
  } finally {
    socket.destroy();
  }
}

async function letsIn(n: number, broker: PlumbChild): Promise<boolean> {
  const connect = connectOf(5, `login-${n}`, { ...USER, username: guest(n) });
  const [connack] = await answers(broker, [connect]);
  return connack?.type === PacketType.CONNACK && connack.reasonCode === 0;
}

async function grants(n: number, broker: PlumbChild): Promise<boolean> {
  const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  const [, suback] = await answers(broker, [connectOf(5, "permission", USER), {
    type: PacketType.SUBSCRIBE,
    packetId: 1,
    subscriptions: [{ filter: `version/${n}`, ...options }],
  }]);
  return suback?.type === PacketType.SUBACK && suback.reasonCodes[0] === 0;
}

async function limits(n: number, broker: PlumbChild): Promise<boolean> {
  const [connack] = await answers(broker, [connectOf(5, "limit", USER)]);
  return connack?.type === PacketType.CONNACK &&
    connack.properties?.maximumPacketSize === PACKET_BYTES_MAX + n;
}
