/**
 * Workers find each other by their sockets, once for each pair, again after a break, and hand on Clients with all that is known of them.
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { dialTcp } from "../../runtime/dial.ts";
import type { RelayHead } from "../../server/serve.ts";
import { patient, until } from "../../testing/patience.ts";
import { inDirectory } from "../../testing/store_files.ts";
import { Recorder, utf8 } from "../../testing/transport_contract.ts";
import type { Transport } from "../../transport/transport.ts";
import { Log } from "../log.ts";
import { HELLO_BYTES_MAX, helloBytes, readHello } from "./hello.ts";
import { Links, socketOf } from "./links.ts";
import { nodeName } from "./worker.ts";

/** Windows has no such sockets here. */
const HERE = { ...patient, skip: process.platform === "win32" };

/** A worker with a server that writes down what it is given. */
class Node {
  readonly number: number;
  readonly links: Links;
  readonly linked: { readonly node: string; readonly incarnation: string; readonly recorder: Recorder }[] =
    [];
  readonly relayed: { readonly head: RelayHead; readonly recorder: Recorder }[] = [];
  said = "";

  constructor(directory: string, number: number, of: number, incarnation = `first-${number}`) {
    this.number = number;
    const stream = {
      colours: false,
      write: (text: string, done: () => void) => {
        this.said += text;
        done();
      },
    };
    const log = new Log({ level: "info", format: "logfmt", stream });
    const order = { number, of, directory, incarnation, ports: {}, isFirst: true, colours: false };
    this.links = new Links(order, () => log);
  }

  async open(): Promise<this> {
    await this.links.open({
      link: (transport: Transport, node: string, incarnation: string) =>
        void this.linked.push({ node, incarnation, recorder: new Recorder(transport) }),
      acceptRelayed: (transport: Transport, head: RelayHead) =>
        void this.relayed.push({ head, recorder: new Recorder(transport) }),
    });
    this.links.takeRelayed();
    return this;
  }

  /** Ends it with all its links. */
  async close(): Promise<void> {
    await this.links.close();
    for (const { recorder } of [...this.linked, ...this.relayed]) recorder.transport.abort();
  }
}

async function withNodes(
  of: number,
  body: (nodes: readonly Node[], directory: string) => Promise<void>,
): Promise<void> {
  await inDirectory(async (directory) => {
    const nodes = Array.from({ length: of }, (_, i) => new Node(directory, i + 1, of));
    try {
      await Promise.all(nodes.map((node) => node.open()));
      await until(() => nodes.every(({ linked }) => linked.length === of - 1), "all are linked");
      await body(nodes, directory);
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
    }
  });
}

describe("Links between workers", HERE, () => {
  test("are one for each pair, and carry bytes both ways", HERE, () =>
    withNodes(4, async (nodes) => {
      for (const { number, linked } of nodes) {
        const others = [1, 2, 3, 4].filter((other) => other !== number);
        assertEquals(linked.map(({ node }) => node).sort(), others.map(nodeName));
        assertEquals(
          linked.map(({ incarnation }) => incarnation).sort(),
          others.map((other) => `first-${other}`),
        );
        for (const { node, recorder } of linked) {
          recorder.call((transport) => transport.write(utf8(`${number} to ${node}`)));
        }
      }
      for (const { number, linked } of nodes) {
        for (const { node, recorder } of linked) {
          const words = `${node.at(-1)} to ${nodeName(number)}`;
          await until(() => recorder.length >= words.length, words);
          assertEquals(recorder.text, words);
        }
      }
    }));

  test(
    "come again after a break, and with a worker that was started again, by its new incarnation",
    HERE,
    () =>
      withNodes(3, async (nodes, directory) => {
        const [one, two, three] = nodes as [Node, Node, Node];
        three.linked.find(({ node }) => node === "worker-1")!.recorder.transport.abort();
        await until(() => one.linked.length === 3 && three.linked.length === 3, "they are linked again");
        assertEquals([one.linked[2]!.node, three.linked[2]!.node], ["worker-3", "worker-1"]);
        await two.close();
        const again = await new Node(directory, 2, 3, "second-2").open();
        try {
          const knows = (node: Node) => node.linked.some(({ incarnation }) => incarnation === "second-2");
          await until(() => knows(one) && knows(three), "both know it");
        } finally {
          await again.close();
        }
      }),
  );

  test(
    "hand on a Client with its listener and certificate, and all that it has sent; its end is the end",
    HERE,
    () =>
      withNodes(3, async (nodes) => {
        const certificate = {
          identity: undefined,
          subject: 'CN=pump\\, "größe"\n,O=Example',
          issuer: "CN=authority",
          serialNumber: "0A",
          fingerprint: "ab".repeat(32),
        };
        const peer = {
          address: "192.0.2.1",
          port: 50_312,
          transport: "tls",
          proxy: { address: "::1", port: 4 },
          certificate,
        } as const;
        const client = new Recorder(nodes[0]!.links.relay("worker-3", { listener: 2, peer }));
        client.call((transport) => transport.write(utf8("CONNECT")));
        await until(() => nodes[2]!.relayed[0]?.recorder.length === 7, "it arrives");
        const { head, recorder } = nodes[2]!.relayed[0]!;
        assertEquals(head, { listener: 2, peer });
        assert("identity" in head.peer.certificate!);
        assertEquals(recorder.text, "CONNECT");
        recorder.call((transport) => transport.write(utf8("CONNACK")));
        recorder.call((transport) => transport.close());
        await until(() => client.closes.length > 0, "it ends");
        assertEquals([client.text, ...client.closes], ["CONNACK", undefined]);
      }),
  );

  test("are over for both when one cuts them", HERE, () =>
    withNodes(3, async (nodes) => {
      const ends = () =>
        nodes.flatMap(({ linked }) => linked).filter(({ recorder }) => recorder.closes.length > 0).length;
      for (const { links } of nodes) await links.close(); // or they would be there again
      nodes[2]!.links.cut();
      await until(() => ends() === 4, "both ends of two links are over");
    }));

  test(
    "keep Clients that others hand on until the worker takes Clients",
    HERE,
    () =>
      inDirectory(async (directory) => {
        const [one, two] = [new Node(directory, 1, 2), new Node(directory, 2, 2)];
        const take = two.links.takeRelayed.bind(two.links);
        two.links.takeRelayed = () => {};
        try {
          await Promise.all([one.open(), two.open()]);
          const peer = { address: "::1", port: 1, transport: "tcp" } as const;
          const client = new Recorder(one.links.relay("worker-2", { listener: 0, peer }));
          client.call((transport) => transport.write(utf8("early")));
          await until(() => one.linked.length === 1 && two.linked.length === 1, "they are linked");
          assertEquals(two.relayed.length, 0);
          take();
          await until(() => two.relayed[0]?.recorder.length === 5, "it arrives");
          assertEquals(two.relayed[0]!.recorder.text, "early");
        } finally {
          await Promise.all([one.close(), two.close()]);
        }
      }),
  );

  test("end a Client for a worker that is not there", HERE, () =>
    inDirectory(async (directory) => {
      const one = await new Node(directory, 1, 3).open();
      try {
        const peer = { address: "::1", port: 1, transport: "tcp" } as const;
        for (const to of ["worker-3", "worker-9"]) {
          const client = new Recorder(one.links.relay(to, { listener: 0, peer }));
          await until(() => client.closes.length > 0, "it ends");
          assert(client.closes[0] instanceof Error);
        }
      } finally {
        await one.close();
      }
    }));

  test("refuse who says something else, and say so", HERE, () =>
    inDirectory(async (directory) => {
      const one = await new Node(directory, 1, 2).open();
      try {
        const hello = { plumb: 1, from: "worker-2", incarnation: "x" };
        const cases: readonly [words: string, why: RegExp][] = [
          ["CONNECT\n", /it says first is no hello/],
          [
            `${JSON.stringify({ ...hello, plumb: 2 })}\n`,
            /a hello of version 2, not 1: all workers are of one version/,
          ],
          [`${JSON.stringify({ ...hello, from: 5 })}\n`, /a hello without a name/],
          [`${JSON.stringify({ ...hello, from: "worker-3" })}\n`, /there is no worker \\"worker-3\\"/],
          [
            `${JSON.stringify({ ...hello, head: { listener: 0, peer: { port: 1 } } })}\n`,
            /too little is said/,
          ],
          ["x".repeat(HELLO_BYTES_MAX), /no hello within 65536 bytes/],
        ];
        for (const [words, why] of cases) {
          one.said = "";
          const stranger = new Recorder(await dialTcp({ host: socketOf(directory, 1), port: 0 }));
          let rest = utf8(words);
          stranger.onDrained = () => void (rest = rest.subarray(stranger.transport.write(rest)));
          stranger.onDrained();
          await until(() => stranger.closes.length > 0, "it is ended");
          await until(() => one.said !== "", "it is told");
          assertMatch(one.said, why);
        }
        assertEquals([one.linked.length, one.relayed.length], [0, 0]);
      } finally {
        await one.close();
      }
    }));
});

test("a hello is read when all of it is there, and what follows is left", () => {
  const bytes = helloBytes({ from: "worker-1", incarnation: "a" });
  for (let end = 0; end < bytes.length; end++) assertEquals(readHello(bytes.subarray(0, end)), undefined);
  const more = new Uint8Array([...bytes, 1, 2, 3]);
  assertEquals(readHello(more), { length: bytes.length, from: "worker-1", incarnation: "a" });
});
