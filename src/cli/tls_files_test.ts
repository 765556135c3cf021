/**
 * Files of a TLS listener: what is said of those that cannot be used, and when they are read again.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { A_CERT, A_KEY, B_KEY, CLIENT_CA, CRL, OLD_CRL } from "../testing/client_certificates.ts";
import { CA, CERT, EXPIRED_CERT, KEY, OTHER_KEY } from "../testing/tls.ts";
import { CallError } from "./error.ts";
import { filesOf, type NameOfPart, readTls, type TlsSettings } from "./tls_files.ts";

const folder = mkdtempSync(join(tmpdir(), "plumb-tls-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  return path;
}

const nameOf: NameOfPart = (part, sni) => `tls${sni === undefined ? "" : `.sni[${sni}]`}.${part}`;
const silent = { warn() {} };
const certificate = file("cert.pem", CERT);
const key = file("key.pem", KEY);
const ca = file("ca.pem", CLIENT_CA);
const crl = file("crl.pem", CRL);
const good: TlsSettings = { certificate, key };

describe("readTls()", () => {
  test("reads every file that is named", () => {
    const sni = [{ certificate: file("a.pem", A_CERT), key: file("a.key", A_KEY) }];
    const settings = { ...good, ca, crl, sni, clientCertificate: "required", identity: "dn" } as const;
    assertEquals(readTls(settings, nameOf, silent), {
      cert: CERT,
      key: KEY,
      ca: CLIENT_CA,
      crl: CRL,
      sni: [{ cert: A_CERT, key: A_KEY }],
      clientCertificate: "required",
      identity: "dn",
    });
    assertEquals(filesOf(settings).length, 6);
  });

  const asks = { clientCertificate: "optional" } as const;
  const empty = file("empty.pem", "");
  const missing = join(folder, "missing.pem");
  const broken = file("broken.pem", CRL.replace(/\n.{10}/, "\nAAAAAAAAAA"));
  const refusals: readonly (readonly [why: string, settings: TlsSettings, said: string])[] = [
    [
      "a file that is not there",
      { ...good, certificate: missing },
      `tls.cert ${missing}: there is no such file`,
    ],
    ["a directory", { ...good, key: folder }, `tls.key ${folder}: that is a directory`],
    [
      "an empty file",
      { ...good, certificate: empty },
      `tls.cert ${empty} holds no certificate: PEM text begins -----BEGIN CERTIFICATE-----`,
    ],
    [
      "a key of another certificate",
      { ...good, key: file("other.key", OTHER_KEY) },
      `tls.key ${join(folder, "other.key")} does not belong to the certificate (CN=localhost)`,
    ],
    [
      "a key of another certificate for a name",
      { ...good, sni: [{ certificate: file("a.pem", A_CERT), key: file("b.key", B_KEY) }] },
      `tls.sni[0].key ${join(folder, "b.key")} does not belong to the certificate (CN=a.example)`,
    ],
    [
      "a certificate for no name, where one is to be chosen by its name",
      { ...good, sni: [{ certificate: file("ca_only.pem", EXPIRED_CERT), key }] },
      `tls.sni[0].cert ${
        join(folder, "ca_only.pem")
      } has no DNS name (Subject Alternative Name) that a Client could ` +
      "ask for",
    ],
    [
      "Clients' certificates without issuers",
      { ...good, ...asks },
      "tls.ca is missing: certificates that may have issued those of Clients",
    ],
    [
      "issuers for nothing",
      { ...good, ca },
      `tls.ca ${ca} is for Clients' certificates, which this listener does not ask for`,
    ],
    [
      "a revocation list that is none",
      { ...good, ...asks, ca, crl: certificate },
      `tls.crl ${certificate} holds no revocation list: PEM text begins -----BEGIN X509 CRL-----`,
    ],
    [
      "a revocation list that is broken",
      { ...good, ...asks, ca, crl: broken },
      `tls.crl ${broken} holds a revocation list that cannot be read (another value)`,
    ],
    [
      "a revocation list of another issuer",
      { ...good, ...asks, ca: file("other_ca.pem", CA), crl },
      `tls.crl ${crl} holds a revocation list that none of the certificates in ca has signed ` +
      "(CN=Plumb test Client CA)",
    ],
  ];
  for (const [why, settings, said] of refusals) {
    test(`names the file and what is wrong: ${why}`, () =>
      assertEquals(assertThrows(() => readTls(settings, nameOf, silent), CallError).message, said));
  }

  test("warns of a certificate that has expired, and of a key that everybody may read", () => {
    const lines: unknown[] = [];
    const log = { warn: (message: string, fields: object) => void lines.push([message, fields]) };
    const expired = file("expired.pem", EXPIRED_CERT);
    const open = file("open.key", KEY, 0o644);
    readTls({ certificate: expired, key: open }, nameOf, log as never);
    assertEquals(lines, [
      ["certificate expired", { file: expired, on: "2021-01-01" }],
      ...process.platform === "win32"
        ? []
        : [["key readable by everybody", { file: open, advice: `chmod 600 ${open}` }]],
    ]);
  });
});

test("readTls() warns of a revocation list that has run out", () => {
  const lines: unknown[] = [];
  const log = { warn: (message: string, fields: object) => void lines.push([message, fields]) };
  const old = file("old_crl.pem", OLD_CRL);
  readTls({ ...good, ca, crl: old, clientCertificate: "required" }, nameOf, log as never);
  const message = "revocation list has run out: no Client of its issuer comes in";
  assertEquals(lines, [[message, { file: old, on: "2021-01-01" }]]);
});
