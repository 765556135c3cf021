/**
 * Certificates and keys: what can be used, and what is said of the rest.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { CA, CERT, ENCRYPTED_KEY, EXPIRED_CERT, KEY, OTHER_KEY } from "../../testing/tls.ts";
import { checkCertificate } from "./certificate.ts";
import { CertificateError } from "./options.ts";

describe("checkCertificate()", () => {
  test("takes a certificate with its key, and others behind it, whatever stands between them", () => {
    for (
      const cert of [
        CERT,
        CERT + CA,
        `Subject: me\n${CERT}\nIssuer: them\n${CA}`,
        CERT.replaceAll("\n", "\r\n"),
      ]
    ) {
      const { from, until } = checkCertificate({ cert, key: KEY });
      assert(from < Date.now() && Date.now() < until);
    }
  });

  test("says when a certificate was valid, and leaves it to the owner what that means", () => {
    const { from, until } = checkCertificate({ cert: EXPIRED_CERT, key: KEY });
    assertEquals([from, until], [Date.UTC(2020, 0, 1), Date.UTC(2021, 0, 1)]);
  });

  const broken = (pem: string) => pem.replace(/\n.{10}/, "\nAAAAAAAAAA");
  const begins = (what: string) => `PEM text begins -----BEGIN ${what}-----`;
  const refusals: readonly (readonly [why: string, cert: string, key: string, message: string])[] = [
    ["no certificate", "hello", KEY, `tls.cert holds no certificate: ${begins("CERTIFICATE")}`],
    ["a key for it", KEY, KEY, `tls.cert holds a private key and no certificate: ${begins("CERTIFICATE")}`],
    [
      "a broken certificate",
      CERT + broken(CA),
      KEY,
      "tls.cert holds a certificate that cannot be read, number 2 of 2",
    ],
    [
      "its issuer first",
      CA + CERT,
      KEY,
      "tls.cert must hold the Server's own certificate first, then the certificates of its issuers",
    ],
    ["no key", CERT, "", `tls.key holds no private key: ${begins("PRIVATE KEY")}`],
    [
      "a certificate for it",
      CERT,
      CERT,
      `tls.key holds a certificate and no private key: ${begins("PRIVATE KEY")}`,
    ],
    ["a broken key", CERT, broken(KEY), "tls.key holds a private key that cannot be read"],
    [
      "an encrypted key",
      CERT,
      ENCRYPTED_KEY,
      "tls.key is encrypted: openssl pkey -in FILE -out OTHER writes it without a passphrase",
    ],
    ["another key", CERT, OTHER_KEY, "tls.key does not belong to the certificate (CN=localhost)"],
  ];
  for (const [why, cert, key, message] of refusals) {
    test(`refuses ${why}, without a word of the key`, () => {
      const error = assertThrows(() => checkCertificate({ cert, key }), CertificateError);
      assertEquals(error.message, message);
      assertEquals(error.message, `tls.${error.of} ${error.what}`);
      assertEquals(error.cause, undefined);
    });
  }
});
