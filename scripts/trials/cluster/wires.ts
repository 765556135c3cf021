/**
 * Wires between the parts of a trial, which can be cut: a door for Clients, and gates to servers.
 * Knows sockets; refuses to know what goes through.
 * @module
 */
import { connect, createServer, type Server, type Socket } from "node:net";

/** A port that hands each connection on to the first of its targets that takes it. */
export class Door {
  readonly #server: Server;
  readonly #targets: () => readonly number[];
  readonly #sockets = new Set<Socket>();
  /** Nothing goes through, and nobody is told. */
  #isCut = false;

  private constructor(targets: () => readonly number[]) {
    this.#targets = targets;
    this.#server = createServer((socket) => this.#take(socket, [...this.#targets()]));
  }

  /** Opens it; `targets` are ports of 127.0.0.1, asked for each connection. */
  static async open(port: number, targets: () => readonly number[]): Promise<Door> {
    const door = new Door(targets);
    await new Promise<void>((resolve, reject) => {
      door.#server.once("error", reject).listen(port, "127.0.0.1", resolve);
    });
    return door;
  }

  get port(): number {
    return (this.#server.address() as { readonly port: number }).port;
  }

  /** Cuts the wire: what is under way stays under way, connections are neither ended nor made. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Mends it; what was connected before is gone. */
  mend(): void {
    this.#isCut = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends all. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #keep(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on("error", () => {});
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.#isCut) socket.pause();
  }

  #take(socket: Socket, [target, ...others]: readonly number[]): void {
    if (!this.#sockets.has(socket)) this.#keep(socket);
    if (this.#isCut) return;
    if (target === undefined) return void socket.destroy();
    const other = connect({ host: "127.0.0.1", port: target });
    const failed = () => this.#take(socket, others);
    other.once("error", failed);
    other.once("connect", () => {
      other.off("error", failed);
      this.#keep(other);
      socket.pipe(other);
      other.pipe(socket);
      if (this.#isCut) this.cut();
      socket.once("close", () => other.destroy());
      other.once("close", () => socket.destroy());
      if (socket.destroyed) other.destroy();
    });
  }
}
