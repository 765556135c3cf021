/**
 * `deno task login`: whether an unknown user and a wrong password can be told apart by their time, over 200 tries each, where they are
 * hashed and where they are held back, since many have failed; and how long 500 Clients with passwords take that come back at once, the
 * first time and again.
 * Knows what is tolerable; refuses to know how a broker does it. Fails if the rank test gives a probability of 0.01 or less.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Packet, PacketType } from "../../../src/codec/mod.ts";
import { doHashJob } from "../../../src/login/hash.ts";
import { formatVerifier, type ScramKeys, type Verifier } from "../../../src/login/verifier.ts";
import { ScramClient } from "../../../src/testing/login.ts";
import { median } from "../../bench/statistics.ts";
import type { Runtime } from "../../lib/broker_process.ts";
import { PlumbChild } from "../../lib/plumb_child.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { within } from "../../lib/within.ts";
import { rankTest } from "./ranks.ts";

const FORMS = ["password", "mosquitto", "scram", "held"];
const USAGE = `Usage: login [--runtime deno|bun] [--tries N] [--clients N] [--only ${FORMS.join("|")}|storm]`;
/** Each try is to be checked. */
const FREE = [
  "--failed-logins-max",
  "0",
  "--failed-logins-per-address-max",
  "0",
  "--failed-logins-per-user-max",
  "0",
];
const LEAST_P = 0.01;
const salt = new Uint8Array(16).fill(7);
const PASSWORD = "correct horse";
const bytes = (text: string) => new TextEncoder().encode(text);

/** Lines of a user whose password is PASSWORD. */
async function linesOf(name: string, form: string): Promise<string> {
  const cost = { scheme: "argon2id", memoryKib: 19_456, passes: 2, lanes: 1, salt } as const;
  const scram = { mechanism: "SCRAM-SHA-256", rounds: 50_000, salt } as const;
  const verifiers: (Verifier | ScramKeys)[] = [];
  if (form === "password" || form === "held") {
    verifiers.push({ ...cost, digest: await doHashJob({ argon2id: cost }, bytes(PASSWORD)) as Uint8Array });
  }
  if (form === "mosquitto") {
    verifiers.push({ scheme: "pbkdf2-sha512", rounds: 1000, salt, digest: new Uint8Array(64) });
  }
  if (form === "scram") {
    verifiers.push({ ...scram, ...await doHashJob({ scram }, bytes(PASSWORD)) as ScramKeys });
  }
  return verifiers.map((one) => `${name}:${formatVerifier(one)}\n`).join("");
}

/** Does something with a broker that has this password file; kills it then. */
async function withBroker<T>(
  runtime: Runtime,
  passwords: string,
  more: readonly string[],
  body: (port: number) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-login-"));
  const file = join(folder, "passwords");
  writeFileSync(file, passwords, { mode: 0o600 });
  const args = [
    "-l",
    "127.0.0.1",
    "-p",
    "0",
    "--memory",
    "--password-file",
    file,
    "--anonymous",
    "never",
    ...more,
  ];
  const broker = await PlumbChild.start(runtime, args);
  try {
    return await body(broker.port());
  } finally {
    await broker.stop();
    rmSync(folder, { recursive: true });
  }
}

/** A connection that says what comes, one packet after the other. */
class Login {
  readonly client: RawClient;
  #came: ((packet: Packet) => void) | undefined;

  constructor(port: number) {
    this.client = new RawClient(port, 5, { packet: (packet) => this.#came?.(packet) });
  }

  async ask(packet: Packet): Promise<Packet> {
    const answer = new Promise<Packet>((resolve) => this.#came = resolve);
    this.client.send(packet);
    return await within(answer, "an answer", 120_000);
  }
}

/** The time of one wrong login in ms, from the last packet to the refusal, and its code. */
async function tryOnce(
  port: number,
  form: string,
  name: string,
  index: number,
): Promise<{ readonly ms: number; readonly code: number }> {
  const login = new Login(port);
  await login.client.connected();
  let packet: Packet;
  const password = `wrong ${String(index).padStart(6)}`;
  if (form === "scram") {
    const scram = new ScramClient("SCRAM-SHA-256", name, password);
    const properties = { authenticationMethod: "SCRAM-SHA-256", authenticationData: bytes(scram.first()) };
    const challenge = await login.ask(connectOf(5, "", { properties }));
    if (challenge.type !== PacketType.AUTH) throw new Error("no challenge");
    const final = scram.final(Buffer.from(challenge.properties!.authenticationData!).toString());
    packet = {
      type: PacketType.AUTH,
      reasonCode: 0x18,
      properties: { ...properties, authenticationData: bytes(final) },
    };
  } else packet = connectOf(5, "", { username: name, password: bytes(password) });
  const begun = performance.now();
  const answer = await login.ask(packet);
  const ms = performance.now() - begun;
  login.client.reset();
  if (answer.type !== PacketType.CONNACK || answer.reasonCode === 0) throw new Error("it was let in");
  return { ms, code: answer.reasonCode };
}

async function timing(runtime: Runtime, form: string, tries: number): Promise<boolean> {
  const held = { alice: 0, nobod: 0 };
  return await withBroker(
    runtime,
    await linesOf("alice", form),
    form === "held" ? [] : FREE,
    async (port) => {
      const times: Record<"alice" | "nobod", number[]> = { alice: [], nobod: [] };
      for (let index = -20; index < tries; index++) {
        const order = Math.random() < 0.5 ? ["alice", "nobod"] as const : ["nobod", "alice"] as const;
        for (const name of order) {
          const { ms, code } = await tryOnce(port, form, name, index + 20);
          if (index < 0) continue;
          times[name].push(ms);
          if (code === 0x9f) held[name]++;
        }
      }
      const p = rankTest(times.alice, times.nobod);
      const [known, unknown] = [median(times.alice).toFixed(3), median(times.nobod).toFixed(3)];
      console.log(
        `${runtime} ${form}: wrong password ${known} ms, unknown user ${unknown} ms, p = ${
          p.toFixed(3)
        } over ${tries}, held back ${held.alice} and ${held.nobod}`,
      );
      return p > LEAST_P;
    },
  );
}

async function storm(runtime: Runtime, count: number): Promise<void> {
  const [, line] = (await linesOf("x", "password")).trim().split(":");
  const names = Array.from({ length: count }, (_, i) => `device-${i}`);
  await withBroker(runtime, names.map((name) => `${name}:${line}\n`).join(""), [], async (port) => {
    for (const round of ["first", "again"]) {
      const begun = performance.now();
      let [refused, left] = [0, names];
      while (left.length > 0) {
        const codes = await Promise.all(left.map(async (name) => {
          const login = new Login(port);
          await login.client.connected();
          const connect = connectOf(5, name, { username: name, password: bytes(PASSWORD) });
          const answer = await Promise.race([login.ask(connect), login.client.closed(120_000)]);
          login.client.reset();
          return answer?.type === PacketType.CONNACK ? answer.reasonCode : -1;
        }));
        left = left.filter((_, index) => codes[index] !== 0);
        refused += left.length;
      }
      const seconds = ((performance.now() - begun) / 1000).toFixed(1);
      console.log(
        `${runtime} ${count} Clients at once, ${round}: all are in after ${seconds} s, refused and tried again: ${refused}`,
      );
    }
  });
}

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["runtime", "tries", "clients", "only"],
  default: { tries: "200", clients: "500" },
  unknown: (arg) => {
    console.error(`Unknown: ${arg}\n${USAGE}`);
    process.exit(2);
  },
});
const runtimes = (["deno", "bun"] as const).filter((name) =>
  args.runtime === undefined || args.runtime === name
);
const numbers = [args.tries, args.clients].map(Number);
if (
  runtimes.length === 0 || !numbers.every((number) => number >= 1) ||
  ![undefined, ...FORMS, "storm"].includes(args.only)
) {
  console.error(USAGE);
  process.exit(2);
}
let isGood = true;
for (const runtime of runtimes) {
  for (const form of FORMS) {
    if (args.only === undefined || args.only === form) {
      isGood = await timing(runtime, form, Number(args.tries)) && isGood;
    }
  }
  if (args.only === undefined || args.only === "storm") await storm(runtime, Number(args.clients));
}
process.exit(isGood ? 0 : 1);
