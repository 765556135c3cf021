/** Traced packets as a capture file: what a reader of its own, and tshark where there is one, find in it. @module */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TracedPacket } from "../broker/mod.ts";
import { trace } from "../broker/mod.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Pair } from "../testing/pair.ts";
import { patient } from "../testing/patience.ts";
import { Pcap } from "./pcap.ts";

/** One record of a file, taken apart and held against the standards. */
interface Read {
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledged: number;
  /** Bytes of content, and those of them that are in the file. */
  readonly length: number;
  readonly content: Uint8Array;
}

/** The one's complement sum of 16-bit words, plainly. */
function checksum(...parts: Uint8Array[]): number {
  let all = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) {
      all += part[i]! * 256 + (part[i + 1] ?? 0);
      all = (all & 0xffff) + (all >>> 16);
    }
  }
  return all;
}

function read(file: Uint8Array): Read[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  assertEquals([view.getUint32(0), view.getUint16(4), view.getUint16(6), view.getUint32(20)], [
    0xa1b2c3d4,
    2,
    4,
    101,
  ]);
  const all: Read[] = [];
  for (let at = 24; at < file.length;) {
    const [captured, original] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    const time = view.getUint32(at) * 1000 + view.getUint32(at + 4) / 1000;
    const ip = at + 16;
    const isFour = file[ip]! >> 4 === 4;
    const tcp = ip + (isFour ? 20 : 40);
    const [size, protocol] = isFour
      ? [view.getUint16(ip + 2), file[ip + 9]]
      : [view.getUint16(ip + 4) + 40, file[ip + 6]];
    assertEquals([size, protocol], [original, 6]);
    if (isFour) assertEquals(checksum(file.subarray(ip, tcp)), 0xffff, "of the IP header");
    const addresses = isFour ? [12, 16, 20] : [8, 24, 40];
    const [from, to] = [0, 1].map((i) => file.subarray(ip + addresses[i]!, ip + addresses[i + 1]!));
    const end = at + 16 + captured;
    const tcpLength = original - (tcp - ip);
    if (captured === original) {
      const pseudo = Uint8Array.of(0, 6, tcpLength >> 8, tcpLength & 255);
      assertEquals(checksum(from!, to!, pseudo, file.slice(tcp, end)), 0xffff, "of TCP");
    }
    all.push({
      at: time,
      from: `${from!.join(".")}:${view.getUint16(tcp)}`,
      to: `${to!.join(".")}:${view.getUint16(tcp + 2)}`,
      flags: file[tcp + 13]!,
      sequence: view.getUint32(tcp + 4),
      acknowledged: view.getUint32(tcp + 8),
      length: original - (tcp - ip) - 20,
      content: file.subarray(tcp + 20, end),
    });
    at = end;
  }
  return all;
}

/** The bytes of each direction, put together by sequence numbers. */
function streamOf(records: readonly Read[], from: string): Uint8Array {
  const own = records.filter((record) => record.from === from);
  let next: number | undefined;
  const bytes: number[] = [];
  for (const { sequence, length, content, flags } of own) {
    if (next !== undefined) assertEquals(sequence, next, "nothing is missing and nothing twice");
    bytes.push(...content, ...new Array<number>(length - content.length).fill(0));
    next = (sequence + length + ((flags & 2) === 0 ? 0 : 1)) % 2 ** 32;
  }
  return Uint8Array.from(bytes);
}

/** A file of what a Client does. */
function captured(
  act: (pair: Pair) => void,
  payloadBytesMax = 100_000,
): { file: Uint8Array; packets: TracedPacket[] } {
  const pair = new Pair({}, 1_700_000_000_123);
  const pcap = new Pcap();
  const pieces = [pcap.begin()];
  const packets: TracedPacket[] = [];
  const events = {
    seen: (packet: TracedPacket) => {
      packets.push(packet);
      pieces.push(pcap.packet(packet));
    },
    ended: () => {},
  };
  trace(pair.broker, { client: "c", payloadBytesMax, bytesMax: 1e7 }, events, pair.now);
  act(pair);
  return { file: Uint8Array.from(pieces.flatMap((piece) => [...piece])), packets };
}

function talk(pair: Pair, address: string, bytes = 5): void {
  const client = pair.open(5, {}, { address, port: 40_000 });
  client.connect({
    clientId: "c",
    username: "u",
    password: new TextEncoder().encode("a secret that is long"),
  });
  client.send({ type: PacketType.PINGREQ });
  client.send({
    type: PacketType.PUBLISH,
    dup: false,
    qos: 1,
    packetId: 7,
    retain: false,
    topic: "topic/of/it",
    payload: new Uint8Array(bytes).fill(0x61),
  });
  client.disconnect();
}

describe("pcap", () => {
  for (
    const [address, from, to] of [
      ["192.0.2.9", "192.0.2.9:40000", "127.0.0.1:1883"],
      ["2001:db8::7", "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.7:40000", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1:1883"],
      ["/run/socket", "127.0.0.1:40000", "127.0.0.1:1883"],
    ] as const
  ) {
    test(`a connection from ${address}: handshake, both directions, each packet in a segment`, () => {
      const { file, packets } = captured((pair) => talk(pair, address));
      const own = packets.filter(({ connection }) => connection === packets[0]!.connection);
      const records = read(file);
      assertEquals(records.slice(0, 3).map(({ flags }) => flags), [0x02, 0x12, 0x10]);
      assert(
        records.every(({ from: one, to: other }) => [one, other].sort().join() === [from, to].sort().join()),
      );
      assert(records.every(({ at }) => at === 1_700_000_000_123));
      const frames = (direction: "in" | "out") =>
        own.filter((packet) => packet.direction === direction).flatMap(({ frame }) => [...frame]);
      assertEquals([...streamOf(records, from)], frames("in"));
      assertEquals([...streamOf(records, to)], frames("out"));
      for (const [i, { acknowledged, from: sender }] of records.entries()) {
        const before = records.slice(0, i).filter(({ to: receiver }) => receiver === sender);
        if (before.length === 0) continue;
        const last = before.at(-1)!;
        const end = last.sequence + last.length + ((last.flags & 2) === 0 ? 0 : 1);
        assertEquals(acknowledged, end % 2 ** 32, "all that came is acknowledged");
      }
    });
  }

  test("a packet above 64 KiB takes several segments; what is hidden of a payload has its length", () => {
    for (const [payloadBytesMax, inFile] of [[200_000, 150_000], [100, 100]] as const) {
      const { file } = captured((pair) => talk(pair, "192.0.2.9", 150_000), payloadBytesMax);
      const records = read(file).filter(({ length }) => length > 1_000);
      assertEquals(records.length, 3);
      const whole = records.reduce((sum, { length }) => sum + length, 0);
      assertEquals(whole, 150_000 + 1 + 3 + 2 + 11 + 2 + 1);
      assertEquals(records.reduce((sum, { content }) => sum + content.length, 0), whole - 150_000 + inFile);
    }
  });

  test("tshark, where there is one, finds each packet and no fault", patient, () => {
    const directory = mkdtempSync(join(tmpdir(), "plumb-pcap-"));
    try {
      const { file, packets } = captured((pair) => {
        talk(pair, "192.0.2.9");
        talk(pair, "2001:db8::7", 70_000);
      });
      const path = join(directory, "a.pcap");
      writeFileSync(path, file);
      const checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
      const { status, stdout, error } = spawnSync(
        "tshark",
        [
          "-r",
          path,
          ...checks,
          "-T",
          "fields",
          "-e",
          "mqtt.msgtype",
          "-e",
          "mqtt.passwd",
          "-e",
          "_ws.expert.message",
        ],
        { encoding: "utf8" },
      );
      if (error !== undefined) return assert((error as NodeJS.ErrnoException).code === "ENOENT", `${error}`);
      assertEquals(status, 0);
      const rows = stdout.split("\n").map((line) => line.split("\t"));
      const types = rows.flatMap(([types = ""]) =>
        types.split(",").filter((type) => type !== "").map(Number)
      );
      assertEquals(types, packets.map(({ packet }) => packet!.type as number));
      assertEquals(rows.map(([, password]) => password).filter((one) => one), ["********", "********"]);
      const faults = rows.flatMap(([, , message = ""]) => message.split(",")).filter((text) =>
        /checksum|malformed|retransmission|unseen|out-of-order/i.test(text)
      );
      assertEquals(faults, []);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
