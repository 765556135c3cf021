/**
 * Guessing at passwords of a broker as the command line starts it: from addresses that a proxy names, while the owner comes and goes, over
 * a change of the settings and a restart.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { patient, until } from "../testing/patience.ts";
import { startPlumb } from "../testing/plumb_process.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-guessing-"));
after(() => rmSync(folder, { recursive: true }));
/** The password is "secret". */
const BOB =
  "bob:$7$101$iTenWYAfHdlzopfq$uMCbFYcNM1fvo9rTof/cIkKK/wqycqSMQe3QhsVcMV6K3ZTEsSFjvlCMaC4m1nbCb2YHKrvUV+mCV9mj2QWqXA==\n";
const HOME = "198.51.100.7";

interface Broker {
  readonly port: number;
  readonly log: () => string;
}

async function broker(config: string, body: (broker: Broker) => Promise<void>): Promise<void> {
  const child = startPlumb(["--config", config]);
  let log = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => log += text);
  const port = () => Number(/url=mqtt:\/\/127\.0\.0\.1:(\d+)/.exec(log)?.[1]);
  let isOver = false;
  child.on("close", () => isOver = true);
  try {
    await until(() => port() > 0 || isOver, () => `it listens; ${log}`);
    await body({ port: port(), log: () => log });
  } finally {
    child.kill("SIGTERM");
    await until(() => isOver, "it has ended");
  }
}

/** The code of CONNACK for a Client at this address, which a proxy names. */
function login(
  port: number,
  address: string,
  password: string,
  { username = "bob", level = 5 }: { readonly username?: string; readonly level?: ProtocolLevel } = {},
): Promise<number> {
  const packet = encodePacket({
    type: PacketType.CONNECT,
    level,
    cleanStart: false,
    keepAlive: 60,
    clientId: `client of ${address}`,
    username,
    password: new TextEncoder().encode(password),
    ...level === 5 && { properties: { sessionExpiryInterval: 3_600 } },
  }, level);
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let came: number[] = [];
    socket.on("data", (chunk: Uint8Array) => {
      came = [...came, ...chunk];
      if (came.length < 4) return;
      assert(came[0] === 0x20 && came[1]! < 128, `CONNACK: ${came}`);
      socket.destroy();
      resolve(came[3]!);
    }).on("error", reject).on("close", () => reject(new Error("no CONNACK")));
    socket.write(`PROXY TCP4 ${address} 127.0.0.1 4711 1883\r\n`);
    socket.write(packet);
  });
}

/** Guesses from one address after the other, until one is held back: how many were tried. */
async function guess(
  { port, log }: Broker,
  from: (i: number) => string,
  given: { readonly username?: string; readonly level?: ProtocolLevel },
): Promise<number> {
  for (let i = 0; i < 10_000; i++) {
    const code = await login(port, from(i), `guess ${i}`, given);
    if (code === (given.level === 4 ? 3 : 0x9f)) return i;
    assertEquals(code, given.level === 4 ? 4 : 0x86, log());
  }
  throw new Error("it was never held back");
}

test(
  "guesses are held back, the owner comes in meanwhile, and a reload and a restart give neither more guesses nor less access",
  patient,
  async () => {
    writeFileSync(join(folder, "passwords"), BOB, { mode: 0o600 });
    const config = join(folder, "plumb.toml");
    const settings = (more = "") =>
      writeFileSync(
        config,
        `${more}
data = ${JSON.stringify(join(folder, "data"))}
proxy-protocol = ["127.0.0.1"]
log.lines-per-second-max = 10000
login.password-file = "passwords"
login.anonymous = "never"
[[listener]]
url = "mqtt://127.0.0.1:0"
`,
        { mode: 0o600 },
      );
    settings();
    const elsewhere = (net: number) => (i: number) => `10.${net}.${i >> 8 & 255}.${i & 255}`;
    await broker(config, async (one) => {
      assertEquals(await login(one.port, HOME, "secret"), 0);
      assert(await guess(one, () => "192.0.2.1", {}) >= 5);
      assert(await guess(one, elsewhere(1), { level: 4 }) >= 1);
      assert(await guess(one, () => "192.0.2.2", { username: "nobody" }) >= 5);
      assert(await guess(one, elsewhere(2), { username: "nobody", level: 4 }) >= 1);
      assertEquals(await login(one.port, HOME, "secret"), 0);
      assert(one.log().includes('why="failedLoginsMax: not tried'), one.log());
      assert(one.log().includes('why="failedLoginsPerUserMax: not tried'), one.log());
      const told = one.log().match(/msg="limit reached".*limit=failedLoginsMax .*/g) ?? [];
      assert(told.length >= 1 && /who=192\.0\.2\.1/.test(told[0]!), one.log());
      settings('limits.failed-login-delay-max-ms = 3600000\nlog.level = "info"');
      await until(() => one.log().includes("configuration read again"), one.log);
      await guess(one, elsewhere(3), {});
      assertEquals(await login(one.port, HOME, "secret"), 0);
    });
    await broker(config, async (one) => {
      assert(await guess(one, elsewhere(4), {}) >= 20);
      assertEquals(await login(one.port, HOME, "secret"), 0); // a session is kept of it
    });
  },
);
