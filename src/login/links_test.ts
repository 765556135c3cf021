/** §5.4.1 Clients without credentials, and Clients with a certificate. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { PeerInfo } from "../broker/mod.ts";
import { loginRequest } from "../testing/login.ts";
import { anonymousLink } from "./anonymous.ts";
import { certificateLink } from "./certificate.ts";

function from(address: string, transport: PeerInfo["transport"] = "tcp") {
  return { peer: { address, port: 1, transport } };
}

const anonymous = { code: 0, username: null } as const;

describe("anonymous", () => {
  test("loopback is this machine, and no address that looks like it", () => {
    const { ask } = anonymousLink();
    for (const address of ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "::FFFF:127.0.0.1"]) {
      assertEquals(ask(loginRequest(from(address))), anonymous, address);
    }
    for (
      const address of [
        "192.0.2.1",
        "128.0.0.1",
        "::2",
        "127.0.0.1.example",
        "fe80::1",
        "::ffff:10.0.0.1",
        "",
      ]
    ) {
      assertEquals(typeof ask(loginRequest(from(address))), "string", address);
    }
    assertEquals(ask(loginRequest(from("/run/plumb", "unix"))), anonymous);
  });

  test("loopback behind a proxy on another machine is that machine", () => {
    const { ask } = anonymousLink();
    const behind = (proxy: string) =>
      ask(loginRequest({ peer: { ...from("127.0.0.1").peer, proxy: { address: proxy, port: 1 } } }));
    assertEquals(behind("127.0.0.1"), anonymous);
    assertEquals(behind("::1"), anonymous);
    assertEquals(typeof behind("192.0.2.7"), "string");
  });

  test("always and never", () => {
    assertEquals(anonymousLink("always").ask(loginRequest()), anonymous);
    assertEquals(typeof anonymousLink("never").ask(loginRequest(from("::1"))), "string");
  });

  test("who has credentials is for other links, or loses a name that nothing has proved", () => {
    for (const given of [{ username: "u" }, { password: "p" }, { username: "u", password: "p" }]) {
      const request = loginRequest({ ...from("::1"), ...given });
      assertEquals(anonymousLink("always").ask(request), undefined);
      assertEquals(anonymousLink("loopback", "ignored").ask(request), anonymous);
    }
    const enhanced = loginRequest({ ...from("::1"), method: "SCRAM-SHA-256" });
    assertEquals(anonymousLink("always", "ignored").ask(enhanced), undefined);
  });
});

describe("certificate", () => {
  const certificate = {
    identity: "pump",
    subject: "CN=pump",
    issuer: "CN=ca",
    serialNumber: "01",
    fingerprint: "ab",
  };
  const peer = { address: "192.0.2.1", port: 1, transport: "tls" } as const;

  test("its identity is the user, whatever the CONNECT says", () => {
    const request = loginRequest({ peer: { ...peer, certificate }, username: "root", password: "x" });
    assertEquals(certificateLink().ask(request), { code: 0, username: "pump" });
  });

  test("passes on without one, and with one that names nobody", () => {
    assertEquals(certificateLink().ask(loginRequest({ peer })), undefined);
    for (const identity of [undefined, ""]) {
      const request = loginRequest({ peer: { ...peer, certificate: { ...certificate, identity } } });
      assertEquals(typeof certificateLink().ask(request), "string");
    }
  });
});
