/**
 * Whom a command trusts, and the commands that call a Server by TLS.
 * @module
 */
import { assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { serve, type TlsServerOptions } from "../server/serve.ts";
import { CLIENT_CA, CLIENT_CERT, CLIENT_KEY } from "../testing/client_certificates.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";
import { CallError } from "./error.ts";
import { readFlags } from "./flags.ts";
import { TRUST_OPTIONS, trustOf } from "./trust.ts";
import { patient } from "../testing/patience.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-trust-"));
after(() => rmSync(folder, { recursive: true }));
const ca = join(folder, "ca.pem");
writeFileSync(ca, CA);
const key = join(folder, "key.pem");
writeFileSync(key, KEY);

const [ownCert, ownKey] = [join(folder, "own.pem"), join(folder, "own.key")];
writeFileSync(ownCert, CLIENT_CERT);
writeFileSync(ownKey, CLIENT_KEY);
const show = ["--cert", ownCert, "--key", ownKey];

function said(...args: string[]) {
  return readFlags(args, () => undefined, { rows: TRUST_OPTIONS.rows, help: "-h" });
}

describe("trustOf()", () => {
  const urls = ["mqtt://a", "mqtts://b"];

  test("takes the system's certificates, those of a file, or none", async () => {
    assertEquals(await trustOf(said(), ["mqtt://a"]), {});
    assertEquals(await trustOf(said("--ca", ca), urls), { ca: CA });
    assertEquals(await trustOf(said("--cafile", ca), urls), { ca: CA });
    assertEquals(await trustOf(said("--insecure"), urls), { insecure: true });
    const own = { cert: CLIENT_CERT, key: CLIENT_KEY };
    assertEquals(await trustOf(said("--ca", ca, ...show), urls), { ca: CA, own });
  });

  const refusals: readonly (readonly [args: string[], urls: string[], message: string])[] = [
    [["--ca", ca], ["mqtt://a"], "--ca goes with mqtts://HOST:PORT or wss://"],
    [["--insecure"], [], "--insecure goes with mqtts://HOST:PORT or wss://"],
    [["--ca", ca, "--insecure"], urls, "--ca and --insecure exclude each other"],
    [["--cert", ca], urls, "--cert needs --key FILE"],
    [["--key", key], urls, "--key needs --cert FILE"],
    [["--key", key], ["mqtt://a"], "--key goes with mqtts://HOST:PORT or wss://"],
    [
      ["--cert", ca, "--key", key],
      urls,
      `--key ${key} does not belong to the certificate (CN=Plumb test CA)`,
    ],
    [["--ca", `${ca}.not`], urls, `--ca ${ca}.not: there is no such file`],
    [["--ca", folder], urls, `--ca ${folder}: that is a directory`],
    [
      ["--ca", key],
      urls,
      `--ca ${key} holds a private key and no certificate: PEM text begins -----BEGIN CERTIFICATE-----`,
    ],
  ];
  for (const [args, urls, message] of refusals) {
    test(`refuses in one line: ${message.replaceAll(folder, "")}`, async () => {
      assertEquals((await assertRejects(() => trustOf(said(...args), urls), CallError)).message, message);
    });
  }
});

const main = fileURLToPath(new URL("./main.ts", import.meta.url));

function plumb(...args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  const before = "Deno" in globalThis ? ["run", "-A", "--no-check", main] : [main];
  const child = spawn(process.execPath, [...before, ...args]);
  const words = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => words.out += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => words.err += text);
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, ...words })));
}

async function onStage(
  body: (url: string) => Promise<void>,
  more: Partial<TlsServerOptions> = {},
): Promise<void> {
  const server = await serve({ listen: ["mqtts://127.0.0.1:0"], tls: { cert: CERT, key: KEY, ...more } });
  try {
    await body(server.addresses[0]!);
  } finally {
    await server.close();
  }
}

describe("by TLS", () => {
  test("plumb audit finds a Server as good as without", patient, () =>
    onStage(async (url) => {
      const { status, out, err } = await plumb("audit", url, "--ca", ca, "--only", "3.12", "--only", "4.13");
      assertEquals([status, err], [0, ""]);
      assertMatch(out, /^Cases +\d+/m);
    }));

  test("plumb audit and plumb bench show a Server their certificate", patient, () =>
    onStage(async (url) => {
      const audit = await plumb("audit", url, "--ca", ca, ...show, "--only", "MQTT-3.1.0-1");
      assertEquals([audit.status, audit.err], [0, ""]);
      const tiny = ["--scenario", "pairs", "--publishers", "2", "--messages", "2000", "--threads", "2"];
      const bench = await plumb("bench", url, "--ca", ca, ...show, ...tiny);
      assertEquals([bench.status, bench.err], [0, ""]);
      const without = await plumb("audit", url, "--ca", ca, "--only", "MQTT-3.1.0-1");
      assertNotEquals(without.status, 0);
    }, { ca: CLIENT_CA, clientCertificate: "required" }));

  test("plumb bench measures a Server, and loses nothing", patient, () =>
    onStage(async (url) => {
      const tiny = ["--scenario", "pairs", "--publishers", "2", "--messages", "2000", "--threads", "2"];
      for (const trust of [["--ca", ca], ["--insecure"]]) {
        const { status, out, err } = await plumb("bench", url, ...trust, ...tiny);
        assertEquals([status, err], [0, ""]);
        assertMatch(out, /Nothing lost, nothing out of order\.\n$/);
      }
    }));

  test(
    "neither goes to a Server that is not trusted, and both say why",
    patient,
    () =>
      onStage(async (url) => {
        for (const command of ["audit", "bench"]) {
          const { status, out, err } = await plumb(command, url);
          assertEquals([status, out], [2, ""]);
          assertMatch(err, /^plumb: mqtts:\/\/127\.0\.0\.1:\d+:? .*(certificate|issuer|verify).*\n$/i);
        }
      }),
  );
});
