/**
 * Those who attack a closed broker: strangers, who must not come in, and insiders, who have a password and few rights.
 * Knows how they reach each listener, who of them may come in, and what none of them may see; refuses to know what they send.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Connect } from "../../../src/codec/mod.ts";
import { WAIT_MS } from "../../../src/testing/patience.ts";
import { CA } from "../../../src/testing/tls.ts";
import { Attack, type Attacker, socketTo } from "../attacks/attacker.ts";
import { type Door, HEALTHY, HEALTHY_TOPIC, INSIDER, OWNER, PASSWORD, type Scene } from "./scene.ts";

const HOST = "127.0.0.1";
const SECRET = Buffer.from(HEALTHY_TOPIC);

/** How one of them comes. */
export interface Way {
  /** The address that a proxy names for it; only at doors that are behind one. */
  readonly from?: string;
  /** Without TLS, where the door has it. */
  readonly bare?: boolean;
}

/** All that take part in one attack. */
export class Strangers {
  readonly scene: Scene;
  readonly attack: Attack;
  readonly #all: Attacker[] = [];
  readonly #let: Set<Attacker> = new Set();
  #seen = 0;

  constructor(scene: Scene) {
    this.scene = scene;
    this.attack = new Attack({ host: HOST, port: scene.port("home") }, { seconds: 1, patienceMs: WAIT_MS });
  }

  /** One connection. */
  async come(door: Door, { from, bare = false }: Way = {}): Promise<Attacker> {
    const port = this.scene.port(door);
    const hasTls = !bare && (door === "home" || door === "street with TLS");
    const socket: Socket = hasTls
      ? connectTls({ host: HOST, port, ca: CA }).setNoDelay()
      : socketTo(HOST, port);
    this.#watch(socket);
    if (from !== undefined) socket.write(headerOf(from));
    const one = await this.attack.dial(socket);
    if (bare) one.read("bytes");
    this.#all.push(one);
    return one;
  }

  /** One connection, and what became of its CONNECT: the Reason Code, or undefined if it was closed without one. */
  async knock(
    door: Door,
    clientId: string,
    connect: Partial<Connect>,
    way?: Way,
  ): Promise<number | undefined> {
    const one = await this.come(door, way);
    await one.hello(clientId, connect);
    await one.until(() => one.over || one.connack === 0);
    return one.connack;
  }

  /** One that must be let in. */
  async enter(door: Door, clientId: string, connect: Partial<Connect>, way?: Way): Promise<Attacker> {
    const one = await this.come(door, way);
    this.mayEnter(one, clientId);
    assert(
      await one.hello(clientId, connect),
      `${clientId} comes in, and is not told ${one.connack ?? one.ended}`,
    );
    return one;
  }

  /** This one may come in under that Client Identifier. */
  mayEnter(one: Attacker, clientId: string): void {
    this.scene.expected.add(clientId);
    this.#let.add(one);
  }

  /** A Client of the user with few rights. */
  insider(clientId: string): Promise<Attacker> {
    return this.enter("home", clientId, credentials(INSIDER));
  }

  /** The owner comes, and goes. */
  async owner(door: Door, clientId: string, way?: Way): Promise<void> {
    const one = await this.enter(door, clientId, credentials(OWNER), way);
    assert(await one.fence());
    one.reset();
  }

  /** The owner tries again until it has come in, as devices do; how often it tried. */
  async ownerAtLast(door: Door, clientId: string, way: Way): Promise<number> {
    for (let tries = 1; tries <= 1_000; tries++) {
      const one = await this.come(door, way);
      this.mayEnter(one, clientId);
      const isIn = await one.hello(clientId, credentials(OWNER));
      one.reset();
      if (isIn) return tries;
    }
    throw new Error(`${clientId} does not come in`);
  }

  /** What was in their way: a piece of a message that only its owner may see. */
  #watch(socket: Socket): void {
    let end = Buffer.alloc(0);
    socket.on("data", (chunk: Uint8Array) => {
      const bytes = Buffer.concat([end, chunk]);
      if (bytes.includes(SECRET)) this.#seen++;
      end = bytes.subarray(Math.max(0, bytes.length - SECRET.length + 1));
    });
  }

  /** Nobody has come in who may not, nobody has seen what is not theirs, and the log says the same. */
  check(): void {
    const intruders = this.#all.filter((one) => one.connack === 0 && !this.#let.has(one));
    assertEquals(intruders.length, 0, `${intruders.length} strangers came in`);
    assertEquals(this.#seen, 0, "messages of others were seen");
    const connected = [...this.scene.log.matchAll(/ msg=connected client=(\S+)/g)].map(([, id]) => id!);
    assertEquals(connected.filter((id) => !this.scene.expected.has(id)), []);
    assertEquals(connected.filter((id) => HEALTHY.includes(id)).sort(), HEALTHY, "the healthy stayed");
  }
}

/** User name and password for a CONNECT. */
export function credentials(username: string, password: string = PASSWORD): Partial<Connect> {
  return { username, password: new TextEncoder().encode(password) };
}

/** One of the addresses 10.NET.0.0 to 10.NET.255.255. */
export function addressOf(net: number, index: number): string {
  return `10.${net}.${index >> 8 & 255}.${index & 255}`;
}

/** A PROXY header of version 1. */
export function headerOf(address: string): string {
  return `PROXY TCP${address.includes(":") ? 6 : 4} ${address} ${
    address.includes(":") ? "::1" : HOST
  } 40000 1883\r\n`;
}
