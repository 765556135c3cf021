/**
 * The HTTP APIs of several workers that are one broker, in one process: each with a server of its own, joined by links and by sockets.
 * Knows how they are joined, and cut; refuses to know what they should answer.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { insidePart } from "../api/part.ts";
import { AsOne } from "../api/workers/as_one.ts";
import { insideOperations } from "../api/workers/inside.ts";
import { LastCounts } from "../api/workers/last_counts.ts";
import { InsideChannel } from "../cli/workers/inside.ts";
import { SHARED } from "../cli/workers/shares.ts";
import { nodeNames } from "../cli/workers/worker.ts";
import { inProcess } from "../runtime/in_process.ts";
import type { RelayHead, ServeOptions, Server } from "../server/serve.ts";
import { type Answer, ApiScene, type Asked } from "./api_scene.ts";
import { until } from "./patience.ts";

/** All of them. */
export class WorkersScene implements AsyncDisposable {
  /** In the order of their numbers. */
  readonly scenes: ApiScene[] = [];
  /** How each of them sees all. */
  readonly all: AsOne[] = [];
  /** The private directory. */
  readonly directory: string = mkdtempSync(join(tmpdir(), "plumb-workers-"));
  readonly #channels: InsideChannel[] = [];

  /** So many, linked. */
  static async begin(
    count = 3,
    options: (place: number) => ServeOptions = () => ({}),
  ): Promise<WorkersScene> {
    const scene = new WorkersScene();
    const names = nodeNames({ of: count });
    for (let place = 0; place < count; place++) {
      const nodes = {
        name: names[place]!,
        all: names,
        relay: (to: string, { peer }: RelayHead) => {
          const [here, there] = inProcess();
          scene.scenes[names.indexOf(to)]!.server.acceptRelayed(there, { peer, listener: 0 });
          return here;
        },
      };
      scene.scenes.push(await ApiScene.begin({}, { ...options(place), nodes }));
      for (let other = 0; other < place; other++) {
        const [left, right] = inProcess();
        scene.scenes[other]!.server.link(left, names[place]!, "1");
        scene.scenes[place]!.server.link(right, names[other]!, "1");
      }
    }
    const { users, permissions } = scene.scenes[0]!.host; // one file of each
    for (const [place, { host }] of scene.scenes.entries()) {
      Object.assign(host, { users, permissions });
      await scene.open(place, count);
    }
    return scene;
  }

  /** A worker answers the others from now on, as a process that was started again. */
  async open(place: number, count: number = this.scenes.length): Promise<void> {
    const scene = this.scenes[place]!;
    const { host, logins, since } = scene;
    const channel = this.#channels[place] = new InsideChannel({
      number: place + 1,
      of: count,
      directory: this.directory,
    });
    const counts = new LastCounts(place + 1, since);
    await channel.open(insidePart(host, logins, insideOperations(logins, since, counts)));
    scene.workers = this.all[place] = new AsOne({ host, channel, logins, counts, shared: SHARED });
  }

  /** A worker answers nobody any more. */
  close(place: number): void {
    this.#channels[place]!.close();
  }

  /** The first of them. */
  get server(): Server {
    return this.scenes[0]!.server;
  }

  /** Clients of all. */
  get connected(): number {
    return this.scenes.reduce((sum, { server }) => sum + server.broker.stats.connected, 0);
  }

  get errors(): readonly unknown[] {
    return this.scenes.flatMap(({ errors }) => errors);
  }

  /** As `ApiScene.ask()`, of the worker in this place. */
  ask(path: string, asked?: Asked, place = 1): Promise<Answer> {
    return this.scenes[place]!.ask(path, asked);
  }

  /** All have what was retained on a topic. */
  async retained(topic: string): Promise<void> {
    await until(
      () => this.scenes.every(({ server }) => server.broker.inside.router.retained.hasLevels(topic)),
      `all have what is retained on ${topic}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.#channels) channel.close();
    for (const scene of this.scenes) await scene[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
