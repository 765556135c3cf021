/**
 * Certificates that other settings replace, and handshakes that failed, in words.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Server } from "../server/serve.ts";
import { Log } from "./log.ts";
import { BrokerTls, handshakeTrouble } from "./tls.ts";

const OLD = "the peer's TLS is older than this listener takes";

describe("handshakeTrouble()", () => {
  const cases: readonly (readonly [said: string, is: string])[] = [
    ["error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "the peer does not speak TLS"],
    ["error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST", "the peer does not speak TLS"],
    ["received corrupt message of type InvalidContentType (SSL routines:x)", "the peer does not speak TLS"],
    ["received fatal alert: UnknownCA", "the peer does not trust the certificate"],
    [
      "error:10000418:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA",
      "the peer does not trust the certificate",
    ],
    [
      "error:100000c0:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE",
      "the Client has shown no certificate",
    ],
    ["peer sent no certificates", "the Client has shown no certificate"],
    ["error:100000f0:SSL routines:OPENSSL_internal:UNSUPPORTED_PROTOCOL", OLD],
    ["peer is incompatible: SignatureAlgorithmsExtensionRequired", OLD],
    ["peer is incompatible: SupportedVersionsExtensionRequired", OLD],
  ];
  for (const [said, is] of cases) {
    test(`says of ${said}: ${is}`, () => assertEquals(handshakeTrouble(new Error(said)), `${is}: ${said}`));
  }

  test("says what it does not know as the library does, in one line", () => {
    assertEquals(handshakeTrouble(new Error("something else\nand more")), "something else");
  });
});

test("a certificate that is read while others take its place is not shown", async () => {
  const log = new Log({ level: "off", format: "logfmt", stream: { write: () => {}, colours: false } });
  const tls = new BrokerTls({ settings: {}, names: [], data: undefined, nameOf: (part) => part }, log);
  let shown = 0;
  const server = { renewCertificate: () => shown++ } as unknown as Server;
  await tls.renew(server, "files changed");
  assertEquals(shown, 1);
  const renewing = tls.renew(server, "files changed");
  tls.close();
  await renewing;
  assertEquals(shown, 1);
});
