/**
 * Revocation lists: what they revoke, and that nothing else is taken for one.
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import {
  A_CERT,
  CLIENT_CA,
  CLIENT_CERT,
  CRL,
  EMPTY_CRL,
  OLD_CRL,
  REVOKED_CERT,
} from "../../testing/client_certificates.ts";
import { CA, CERT } from "../../testing/tls.ts";
import { CertificateError } from "./options.ts";
import { Revocations } from "./revocations.ts";
import { certificateOf, derOfPem, pemOf } from "./x509.ts";

const NOW = Date.UTC(2026, 11, 24);
const of = (pem: string) => certificateOf(derOfPem(pem, "CERTIFICATE")!);

describe("Revocations", () => {
  test("revoke what the issuer's list names, and nothing else of that issuer", () => {
    const lists = new Revocations(CRL, CLIENT_CA);
    assertEquals(lists.refusal(of(REVOKED_CERT), NOW), "is revoked");
    for (const cert of [CLIENT_CERT, A_CERT]) assertEquals(lists.refusal(of(cert), NOW), undefined);
  });

  test("let nothing pass of an issuer without a list, nor of a list that has run out", () => {
    assertEquals(
      new Revocations(CRL, CLIENT_CA + CA).refusal(of(CERT), NOW),
      "is of an issuer without a revocation list (CN=Plumb test CA)",
    );
    const old = new Revocations(OLD_CRL, CLIENT_CA);
    assertEquals(old.until, Date.UTC(2021, 0, 1));
    const why = "cannot be checked: the revocation list of CN=Plumb test Client CA has run out";
    assertEquals(old.refusal(of(CLIENT_CERT), NOW), why);
    assertEquals(old.refusal(of(REVOKED_CERT), NOW), "is revoked");
    assertEquals(old.refusal(of(CLIENT_CERT), Date.UTC(2020, 6, 1)), undefined);
  });

  test("of one issuer add up", () => {
    for (const text of [EMPTY_CRL + CRL, CRL + EMPTY_CRL, OLD_CRL + EMPTY_CRL, EMPTY_CRL + OLD_CRL]) {
      const lists = new Revocations(text, CLIENT_CA);
      assertEquals(lists.refusal(of(REVOKED_CERT), NOW), "is revoked");
      assertEquals(lists.refusal(of(CLIENT_CERT), NOW), undefined);
    }
  });

  test("are not taken if a bit of them is another", () => {
    const whole = derOfPem(CRL, "X509 CRL")!;
    fc.assert(fc.property(fc.nat(whole.length - 1), fc.nat(7), (at, bit) => {
      const changed = pemOf("X509 CRL", whole.with(at, whole[at]! ^ 1 << bit));
      assertThrows(() => new Revocations(changed, CLIENT_CA), CertificateError);
    }));
  });

  test("are not taken if they are cut off, and the error says which one", () => {
    const whole = derOfPem(CRL, "X509 CRL")!;
    const cut = pemOf("X509 CRL", whole.subarray(0, -1));
    const { message, of } = assertThrows(() => new Revocations(EMPTY_CRL + cut, CLIENT_CA), CertificateError);
    assertEquals(of, "crl");
    assert(message.endsWith(", number 2 of 2"), message);
  });
});
