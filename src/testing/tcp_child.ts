/**
 * A process at the far end of TCP tests: opens many connections, or listens with few descriptors.
 * Knows node:net and, to listen, our adapter; refuses to know MQTT. Run: `tcp_child.ts burst|greeted|reset|idle PORT COUNT UNDERWAY`
 * (greeted: a connection is under way until a byte comes) or `tcp_child.ts listen [HOST]|listen-tls`; idle and these end when stdin does.
 * @module
 */
import { connect, type Socket } from "node:net";
import process from "node:process";
import { listenTcp } from "../runtime/listen.ts";
import { listenTls } from "../runtime/tls/tls.ts";
import type { Transport } from "../transport/mod.ts";
import { CERT, KEY } from "./tls.ts";

const [command, port, count, underway] = [process.argv[2], ...process.argv.slice(3).map(Number)] as const;

/** Opens all of them, `underway` at a time; calls `opened` with the ms of the slowest. */
function openAll(opened: (slowestMs: number, sockets: readonly Socket[]) => void): void {
  let started = 0;
  let done = 0;
  let slowestMs = 0;
  const sockets: Socket[] = [];
  const open = () => {
    if (started >= count!) return;
    started++;
    const begin = performance.now();
    const socket = connect({ port: port!, host: "127.0.0.1" });
    sockets.push(socket);
    socket.on("error", (error) => {
      console.log(JSON.stringify({ error: error.message, done }));
      process.exit(1);
    });
    socket.on("connect", () => {
      slowestMs = Math.max(slowestMs, performance.now() - begin);
      if (command === "greeted") socket.once("data", next);
      else next();
    });
  };
  const next = () => {
    if (++done === count) opened(slowestMs, sockets);
    open();
  };
  for (let i = 0; i < underway!; i++) open();
}

const listens = command === "listen" || command === "listen-tls";
if (listens) {
  // An echo, and each trouble as a line.
  const options = {
    host: process.argv[3] ?? "127.0.0.1",
    port: 0,
    troubled: (error: Error) => console.log(JSON.stringify({ troubled: error.message })),
  };
  const accept = (transport: Transport) =>
    transport.start({
      received: (chunk) => void transport.write(chunk),
      drained() {},
      closed() {},
    });
  const listener = command === "listen"
    ? await listenTcp(options, accept)
    : await listenTls({ ...options, tls: { cert: CERT, key: KEY } }, accept);
  console.log(JSON.stringify({ port: listener.port }));
} else {
  openAll((slowestMs, sockets) => {
    console.log(JSON.stringify({ opened: count, slowestMs }));
    if (command === "reset") { for (const socket of sockets) socket.resetAndDestroy(); }
    if (command !== "idle") process.exit(0);
  });
}
if (listens || command === "idle") process.stdin.on("end", () => process.exit(0)).resume();
