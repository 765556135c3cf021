/**
 * The place of a connection that begins with a request, however it ends.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { patient, until } from "../../testing/patience.ts";
import { Recorder } from "../../testing/transport_contract.ts";
import { upgradeRequest } from "../../transport/websocket_upgrade.ts";
import { inProcess } from "../in_process.ts";
import { HandshakeSlots } from "../tls/slots.ts";
import type { Accept } from "../endpoint.ts";
import { acceptOf, upgraded, type WebSocketOptions } from "./acceptor.ts";

const PROXY = "10.0.0.1";
const PEER = { address: "192.0.2.7", port: 4711, transport: "tcp" } as const;
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ASKED = { host: "x", target: "/", key: KEY, protocols: ["mqtt"] };
const UPGRADE = upgradeRequest(ASKED);
const FORWARDED = upgradeRequest({ ...ASKED, fields: { "X-Forwarded-For": "192.0.2.9" } });
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Sends these bytes, and goes when something has come back if `answered`; gives the addresses that got a place, and the places given back. */
async function outcome(
  first: Uint8Array,
  answered: boolean,
  address: string = PEER.address,
  own: Partial<WebSocketOptions> = {},
): Promise<readonly [admitted: readonly string[], given: number]> {
  const admitted: string[] = [];
  let given = 0;
  const options: WebSocketOptions = {
    paths: [],
    origins: [],
    isLocal: false,
    timeoutMs: 100,
    slots: new HandshakeSlots(),
    admit(peer) {
      admitted.push(peer.address);
      return () => given++;
    },
    isProxy: (address) => address === PROXY,
    refused() {},
    ...own,
  };
  const [theirs, ours] = inProcess();
  const handler = { received() {}, drained() {}, closed() {} };
  upgraded(() => options, (transport) => transport.start(handler))(theirs, { ...PEER, address });
  const peer = new Recorder(ours);
  ours.write(first);
  if (answered) {
    await until(() => peer.length > 0, "the answer");
    ours.abort();
  }
  await until(() => peer.closes.length > 0 && (given > 0 || admitted.length === 0), "the end");
  return [admitted, given];
}

describe("a connection that begins with a request gives its place back once", () => {
  test("when its WebSocket is over", patient, async () => {
    assertEquals(await outcome(UPGRADE, true), [[PEER.address], 1]);
  });

  test("when its request is refused", patient, async () => {
    assertEquals(await outcome(bytesOf("GET / HTTP/1.1\r\n\r\n"), true), [[PEER.address], 1]);
    assertEquals(await outcome(bytesOf("GET / HTTP/1.1\r\n\r\n"), false), [[PEER.address], 1]);
  });

  test("when its request does not come in time, or no one more may wait for one", patient, async () => {
    assertEquals(await outcome(bytesOf("GET"), false), [[PEER.address], 1]);
    const slots = new HandshakeSlots(0);
    assertEquals(await outcome(UPGRADE, false, PEER.address, { slots }), [[PEER.address], 1]);
  });

  test("when it is handed to an HTTP server", patient, async () => {
    const http: WebSocketOptions["http"] = (transport) =>
      transport.start({ received: () => transport.close(), drained() {}, closed() {} });
    assertEquals(await outcome(bytesOf("GET / HTTP/1.1\r\n\r\n"), false, PEER.address, { http }), [
      [PEER.address],
      1,
    ]);
  });

  test("and has none before a proxy has named its peer", patient, async () => {
    assertEquals(await outcome(FORWARDED, true, PROXY), [["192.0.2.9"], 1]);
    assertEquals(await outcome(bytesOf("GET"), false, PROXY), [[], 0]);
  });
});

describe("requests that are the same but for their keys", () => {
  /** The first bytes of the answer to it, and what stands in Sec-WebSocket-Accept. */
  async function answer(accept: Accept, request: Uint8Array): Promise<readonly [string, string | undefined]> {
    const [theirs, ours] = inProcess();
    accept(theirs, PEER);
    const peer = new Recorder(ours);
    ours.write(request);
    await until(() => peer.text.includes("\r\n\r\n"), "the answer");
    ours.abort();
    return [peer.text.slice(0, 12), /Accept: (\S+)/.exec(peer.text)?.[1]];
  }
  const KEYS = ["AAECAwQFBgcICQoLDA0ODw==", KEY, "ICEiIyQlJicoKSorLC0uLw=="];
  const of = (key: string) => upgradeRequest({ ...ASKED, key });
  const options: WebSocketOptions = {
    paths: [],
    origins: [],
    isLocal: false,
    timeoutMs: 60_000,
    slots: new HandshakeSlots(),
    admit: () => () => {},
    isProxy: () => false,
    refused() {},
  };
  const start: Accept = (transport) => transport.start({ received() {}, drained() {}, closed() {} });

  test("are answered each by its own key", patient, async () => {
    const accept = upgraded(() => options, start);
    for (const key of KEYS) assertEquals(await answer(accept, of(key)), ["HTTP/1.1 101", acceptOf(key)]);
  });

  test("are read anew when the rules are others", patient, async () => {
    let present = options;
    const accept = upgraded(() => present, start);
    assertEquals((await answer(accept, of(KEY)))[0], "HTTP/1.1 101");
    present = { ...options, paths: ["/mqtt"] };
    assertEquals((await answer(accept, of(KEY)))[0], "HTTP/1.1 404");
    present = options;
    assertEquals((await answer(accept, of(KEY)))[0], "HTTP/1.1 101");
  });
});
