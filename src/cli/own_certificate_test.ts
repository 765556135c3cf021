/**
 * The certificate of a broker that was given none: when it is kept, and when another one is made.
 * @module
 */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { OTHER_KEY } from "../testing/tls.ts";
import { CallError } from "./error.ts";
import { machineNames } from "./machine_names.ts";
import { ownCertificate } from "./own_certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-own-"));
let data = 0;
after(() => rmSync(folder, { recursive: true }));

/** Another data directory. */
function anywhere(): string {
  return join(folder, `${++data}`);
}

const NOW = Date.UTC(2026, 10, 30);
const DAY_MS = 24 * 60 * 60 * 1000;
const NAMES = ["pump", "192.0.2.1", "2001:DB8::1"];

describe("ownCertificate()", () => {
  test("makes an authority and a certificate, which the next start finds", async () => {
    const at = anywhere();
    const made = await ownCertificate(at, NAMES, NOW);
    assertEquals([made.made, made.isNewAuthority], ["there was none", true]);
    assertEquals(readdirSync(join(at, "tls")).sort(), ["ca.key", "ca.pem", "server.key", "server.pem"]);
    assertEquals(readFileSync(made.caFile!, "utf8"), made.authority.cert);
    assertEquals(made.fingerprint, new X509Certificate(made.cert).fingerprint256);
    const found = await ownCertificate(at, NAMES, NOW + 300 * DAY_MS);
    assertEquals(found, { ...made, made: undefined, isNewAuthority: false });
  });

  test("leaves the keys to the owner alone", { skip: process.platform === "win32" }, async () => {
    const at = anywhere();
    await ownCertificate(at, NAMES, NOW);
    const modes = readdirSync(join(at, "tls")).sort().map((name) =>
      statSync(join(at, "tls", name)).mode & 0o777
    );
    assertEquals(modes, [0o600, 0o644, 0o600, 0o644]);
  });

  test("makes another certificate 30 days before it ends, of the same authority", async () => {
    const at = anywhere();
    const made = await ownCertificate(at, NAMES, NOW);
    const later = await ownCertificate(at, NAMES, made.until - 29 * DAY_MS);
    assertEquals(later.made, `it ends on ${new Date(made.until).toISOString().slice(0, 10)}`);
    assertNotEquals(later.fingerprint, made.fingerprint);
    assertEquals([later.isNewAuthority, later.authority], [false, made.authority]);
    assert(new X509Certificate(later.cert).verify(new X509Certificate(made.authority.cert).publicKey));
  });

  test("makes another one for a new name or address, and keeps one that is for more", async () => {
    const at = anywhere();
    const made = await ownCertificate(at, NAMES, NOW);
    const more = await ownCertificate(at, [...NAMES, "192.0.2.9", "well"], NOW);
    assertEquals(more.made, "it was not for 192.0.2.9, well");
    assertEquals(more.authority, made.authority);
    assertEquals((await ownCertificate(at, NAMES, NOW)).made, undefined);
  });

  test("makes another authority before that ends", async () => {
    const at = anywhere();
    const made = await ownCertificate(at, NAMES, NOW);
    const later = await ownCertificate(at, NAMES, NOW + 3640 * DAY_MS);
    assertEquals([later.isNewAuthority, later.made === undefined], [true, false]);
    assertNotEquals(later.caFingerprint, made.caFingerprint);
  });

  test("keeps it in memory where there is no directory", async () => {
    const made = await ownCertificate(undefined, NAMES, NOW);
    assertEquals(made.caFile, undefined);
    assertEquals((await ownCertificate(undefined, NAMES, NOW, made)).cert, made.cert);
    const later = await ownCertificate(undefined, NAMES, NOW + 380 * DAY_MS, made);
    assertEquals([later.authority, later.made === undefined], [made.authority, false]);
  });

  test("names a file that cannot be used, and what to do", async () => {
    const at = anywhere();
    await ownCertificate(at, NAMES, NOW);
    const key = join(at, "tls", "server.key");
    writeFileSync(key, OTHER_KEY);
    const { message } = await assertRejects(() => ownCertificate(at, NAMES, NOW), CallError);
    assertEquals(
      message,
      `${key} does not belong to the certificate (CN=pump); without both files another one is made`,
    );
    writeFileSync(join(folder, "file"), "");
    const taken = await assertRejects(() => ownCertificate(join(folder, "file"), NAMES, NOW), CallError);
    assert(taken.message.includes(join(folder, "file")), taken.message);
  });
});

describe("machineNames()", () => {
  test("has the names by which this machine calls itself, each once, and no address of a single link", () => {
    const names = machineNames();
    for (const name of ["localhost", "127.0.0.1", "::1"]) assert(names.includes(name), name);
    assertEquals(new Set(names).size, names.length);
    assert(!names.some((name) => /^fe80/i.test(name)));
  });
});
