/**
 * §3.1.2.10 A broker whose process stood still (SIGSTOP, a laptop that slept) calls no Client silent whose packets wait in the kernel.
 * @module
 */
import { assertEquals } from "@std/assert";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { startPlumb } from "../testing/plumb_process.ts";
import { TEST_MS, until } from "../testing/patience.ts";

const CLIENTS = 50;
const KEEP_ALIVE = 4;
/** Longer than the silence that Keep Alive allows. */
const STOPPED_MS = KEEP_ALIVE * 1500 + 1_000;
const PINGREQ = Uint8Array.of(0xc0, 0);

/** A Client; `bytes` counts what has come. */
class Client {
  bytes = 0;
  over = false;
  readonly socket: Socket;

  constructor(port: number, clientId: string, keepAlive: number) {
    this.socket = connect({ port, host: "127.0.0.1" });
    this.socket.on("data", (chunk: Uint8Array) => this.bytes += chunk.length);
    this.socket.on("error", () => {}).on("close", () => this.over = true);
    const packet = { type: PacketType.CONNECT, level: 4, cleanStart: true, keepAlive, clientId } as const;
    this.socket.write(encodePacket(packet, 4));
  }
}

/** Keeps a socket full. */
function flood(socket: Socket, isOver: () => boolean): void {
  const payload = new Uint8Array(1_000);
  const one = encodePacket({
    type: PacketType.PUBLISH,
    topic: "flood",
    qos: 0,
    dup: false,
    retain: false,
    payload,
  }, 4);
  const many = new Uint8Array(64 * one.length);
  for (let i = 0; i < 64; i++) many.set(one, i * one.length);
  const go = () => {
    if (!isOver()) socket.write(many, () => setTimeout(go, 1)); // at once, and this process would serve nothing else
  };
  go();
}

test(
  "[MQTT-3.1.2-22] behind SIGSTOP and SIGCONT every Client that pings is still there, though others flood",
  { timeout: TEST_MS, skip: process.platform === "win32" },
  async () => {
    const child = startPlumb(["serve", "--memory", "--port", "0"]);
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => said += text);
    child.stdout!.setEncoding("utf8").on("data", (text: string) => said += text);
    let isOver = false;
    let ping: ReturnType<typeof setInterval> | undefined;
    const clients: Client[] = [];
    try {
      await until(() => /url=mqtt:\S+:\d+/.test(said), "it listens");
      const port = Number(/url=mqtt:\S+:(\d+)/.exec(said)![1]);
      for (let i = 0; i < CLIENTS; i++) clients.push(new Client(port, `c${i}`, KEEP_ALIVE));
      const senders = [0, 1].map((i) => new Client(port, `flood${i}`, 0));
      ping = setInterval(() => clients.forEach(({ socket }) => socket.write(PINGREQ)), 500);
      await until(() => [...clients, ...senders].every(({ bytes }) => bytes >= 4), "all are connected");
      for (const { socket } of senders) flood(socket, () => isOver);
      process.kill(child.pid!, "SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, STOPPED_MS)); // the time is what the test is about
      const before = clients.map(({ bytes }) => bytes);
      process.kill(child.pid!, "SIGCONT");
      await until(
        () => clients.every(({ bytes, over }, i) => over || bytes > before[i]!),
        "all are answered",
      );
      assertEquals(clients.filter(({ over }) => over).length, 0, said);
      clearInterval(ping);
      await until(() => clients.every(({ over }) => over), "now that they ping no more they are silent");
      await until(() => said.includes("MQTT-3.1.2-22"), "the log says so");
    } finally {
      isOver = true;
      clearInterval(ping);
      process.kill(child.pid!, "SIGCONT");
      process.kill(child.pid!, "SIGKILL");
      for (const { socket } of clients) socket.destroy();
    }
  },
);
