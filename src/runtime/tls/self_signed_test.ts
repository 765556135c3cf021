/**
 * Certificates that are made here: what they say, and that OpenSSL and both runtimes trust them.
 * @module
 */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { CLIENT_CERT, CRL } from "../../testing/client_certificates.ts";
import { host, opened } from "../../testing/network_contract.ts";
import { until } from "../../testing/patience.ts";
import { CERT, OTHER_CERT } from "../../testing/tls.ts";
import { utf8 } from "../../testing/transport_contract.ts";
import { checkCertificate } from "./certificate.ts";
import { der, DerError, firstOf, integer, oid, oidOf, TAG, time, timeOf } from "./der.ts";
import { makeAuthority, makeServerCertificate } from "./self_signed.ts";
import { dialTls, listenTls } from "./tls.ts";
import { certificateOf, commonNameOf, derOfPem, nameText, pemOf } from "./x509.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const NAMES = ["pump.local", "localhost", "127.0.0.1", "::1", "2001:db8::a:0:1"];
const noOpenssl = spawnSync("openssl", ["version"]).status === 0 ? false : "openssl is not installed";

describe("a certificate that is made", () => {
  test("is for its names, from its authority, with its key, for a year and a month", async () => {
    const now = Date.UTC(2026, 10, 30, 12);
    const authority = await makeAuthority("Plumb at pump.local", now);
    const made = await makeServerCertificate(authority, NAMES, now);
    const { from, until } = checkCertificate(made);
    assertEquals([from, until], [now - 2 * DAY_MS, now + 395 * DAY_MS]);
    const [own, issuer] = [new X509Certificate(made.cert), new X509Certificate(authority.cert)];
    assert(own.verify(issuer.publicKey) && issuer.verify(issuer.publicKey));
    assertEquals([own.ca, issuer.ca], [false, true]);
    const { names, subject, issuer: by } = certificateOf(derOfPem(made.cert, "CERTIFICATE")!);
    assertEquals(names.map(({ value }) => value), NAMES);
    assertEquals([commonNameOf(subject), nameText(by)], ["pump.local", "CN=Plumb at pump.local"]);
    assert(made.cert.endsWith(authority.cert), "the authority stands behind it");
  });

  test("is trusted by OpenSSL, strictly", { skip: noOpenssl }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "plumb-certificate-"));
    const file = (
      name: string,
      text: string,
    ) => (writeFileSync(join(folder, name), text), join(folder, name));
    const authority = await makeAuthority("Plumb, of a test", Date.now());
    const made = await makeServerCertificate(authority, NAMES, Date.now());
    const [ca, cert] = [file("ca.pem", authority.cert), file("cert.pem", made.cert)];
    for (const name of ["-verify_hostname\npump.local", "-verify_ip\n::1"]) {
      const strict = ["-x509_strict", "-purpose", "sslserver", ...name.split("\n")];
      const { stdout, stderr } = spawnSync("openssl", ["verify", ...strict, "-CAfile", ca, cert]);
      assertEquals(`${stdout}${stderr}`, `${cert}: OK\n`);
    }
    const { stdout } = spawnSync("openssl", ["x509", "-noout", "-text", "-in", cert]);
    assertMatch(`${stdout}`, /DNS:pump\.local, DNS:localhost, IP Address:127\.0\.0\.1/);
    rmSync(folder, { recursive: true });
  });

  test("carries a connection of somebody who trusts its authority", async () => {
    const authority = await makeAuthority("Plumb", Date.now());
    const tls = await makeServerCertificate(authority, NAMES, Date.now());
    await opened((options, accept) => listenTls({ ...options, tls }, accept), async ({ port, accepted }) => {
      for (const name of [host, "localhost"]) {
        const transport = await dialTls({ host: name, port }, { ca: authority.cert });
        transport.write(utf8(name));
        await until(() => accepted.some(({ text }) => text === name), `${name} is called`);
        transport.abort();
      }
    });
  });
});

describe("names in certificates", () => {
  test("are those that Node reads", () => {
    for (const pem of [CERT, OTHER_CERT, CLIENT_CERT]) {
      const [ours, theirs] = [certificateOf(derOfPem(pem, "CERTIFICATE")!), new X509Certificate(pem)];
      assertEquals(ours.serialNumber, theirs.serialNumber);
      assertEquals(theirs.subject.split("\n").includes(`CN=${commonNameOf(ours.subject)}`), true);
      for (const { kind, value } of ours.names.filter((name) => name.kind !== "ip")) {
        assert(theirs.subjectAltName!.includes(`${kind === "dns" ? "DNS" : kind}:${value}`));
      }
    }
  });

  const name = (...values: readonly (readonly [id: string, tag: number, bytes: readonly number[]])[]) =>
    der(
      TAG.sequence,
      ...values.map(([id, tag, bytes]) =>
        der(TAG.set, der(TAG.sequence, oid(id), der(tag, Uint8Array.from(bytes))))
      ),
    );
  const CN = "2.5.4.3";

  test("cannot be taken for others", () => {
    assertEquals(nameText(name([CN, TAG.utf8, [...utf8('a,b+"c"')]])), 'CN=a\\,b\\+\\"c\\"');
    assertEquals(nameText(name([CN, TAG.utf8, [...utf8("a\nO=b")]])), "CN=a\\0aO=b");
    assertEquals(nameText(name([CN, TAG.utf8, [0xff]])), "CN=#0c01ff");
    assertEquals(nameText(name(["1.2.3", TAG.utf8, [0x61]])), "1.2.3=#0c0161");
    assertEquals(commonNameOf(name([CN, TAG.utf8, [0xff]])), undefined);
    assertEquals(commonNameOf(name([CN, TAG.utf8, [0x61]], [CN, TAG.utf8, [0x62]])), undefined);
    assertEquals(commonNameOf(name()), undefined);
    assertEquals(commonNameOf(name([CN, 0x1e, [0, 0x61]])), "a");
  });
});

describe("DER", () => {
  test("is read as it is written", () =>
    fc.assert(fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.array(fc.nat(2 ** 31), { maxLength: 6 }),
      fc.date({ min: new Date("1970-01-01"), max: new Date("2200-01-01"), noInvalidDate: true }),
      (bytes, arcs, date) => {
        assertEquals([...firstOf(der(TAG.octets, bytes)).bytes], [...bytes]);
        const number = (of: Uint8Array) =>
          BigInt(`0x${[...of].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`);
        assertEquals(number(firstOf(integer(bytes)).bytes), number(bytes));
        assertEquals(oidOf(firstOf(oid(["2", "5", ...arcs].join(".")))), ["2", "5", ...arcs].join("."));
        const ms = Math.floor(date.getTime() / 1000) * 1000;
        assertEquals(timeOf(firstOf(time(ms))), ms);
      },
    )));

  test("that is damaged gives an error of its own, never another one", () => {
    const whole = derOfPem(CLIENT_CERT, "CERTIFICATE")!;
    fc.assert(fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, byte, length) => {
      const bytes = whole.with(at, byte).subarray(0, length);
      try {
        nameText(certificateOf(bytes).subject);
      } catch (error) {
        assert(error instanceof DerError, `${error}`);
      }
    }));
  });

  for (
    const [what, bytes] of [
      ["a length that goes beyond its end", [0x30, 2, 0]],
      ["a length longer than need be", [0x30, 0x81, 1, 0]],
      ["a length that is not said", [0x30, 0x80, 0, 0]],
      ["a tag of more than a byte", [0x1f, 1, 0]],
      ["nothing", []],
    ] as const
  ) test(`does not have ${what}`, () => void assertThrows(() => firstOf(Uint8Array.from(bytes)), DerError));

  test("stands in PEM as OpenSSL writes it", () => {
    const begin = CRL.indexOf("-----BEGIN");
    assertEquals(pemOf("X509 CRL", derOfPem(CRL, "X509 CRL")!), CRL.slice(begin));
  });
});
