/**
 * aedes as a process of its own: writes its port, and ends with its standard input.
 * Knows how aedes is started; refuses to know who connects.
 * @module
 */
import { Aedes } from "aedes";
import { type AddressInfo, createServer, type Socket } from "node:net";
import process from "node:process";

const broker = await Aedes.createBroker();
const server = createServer((socket: Socket) => void broker.handle(socket));
process.stdin.on("end", () => process.exit(0)).resume();
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
