/**
 * A publishing Client that is killed again and again, and goes on with its store.
 * Knows what must arrive; refuses to know which broker carries it.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect } from "../../../src/client_api/mod.ts";
import { seededRandom } from "../../../src/engine/random.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { pathOf } from "../../lib/tree.ts";

/** What is tried. */
export interface KillTrial {
  /** The broker's. */
  readonly url: string;
  readonly qos: 1 | 2;
  readonly kills: number;
  readonly seed: number;
  /** Starts Deno or Bun with a script. */
  readonly command: readonly string[];
}

/** What has come. */
export interface KillOutcome {
  readonly messages: number;
  /** Messages that came again: 0 at QoS 2. */
  readonly again: number;
}

/** Throws when a message is lost that was acknowledged, comes out of order, or (QoS 2) again. */
export async function killTrial({ url, qos, kills, seed, command }: KillTrial): Promise<KillOutcome> {
  const random = seededRandom(seed);
  const folder = mkdtempSync(join(tmpdir(), "plumb-client-kills-"));
  const reader = await connect(url, { level: 5 });
  const subscription = await reader.subscribe("mortal", { qos });
  /** All below it have come. */
  let next = 0;
  let again = 0;
  let acknowledged = -1;
  let fault: Error | undefined;
  let marked: (() => void) | undefined;
  const reading = (async () => {
    for await (const { bytes } of subscription) {
      const text = new TextDecoder().decode(bytes);
      const number = Number(text);
      if (text === "mark") marked!();
      else if (number === next) next++;
      else if (number > next) fault ??= new Error(`${next} is lost: ${number} comes`);
      else if (qos === 2) fault ??= new Error(`${number} comes again instead of ${next}`);
      else again++;
    }
  })();
  try {
    for (let kill = 0; kill <= kills; kill++) {
      const child = spawnKept([
        ...command,
        pathOf("scripts/trials/client_cuts/writer.ts"),
        url,
        join(folder, "client.db"),
        `${qos}`,
      ], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      let left = 1 + random() % 400;
      let isDone = false;
      for await (const line of createInterface({ input: child.stdout! })) {
        if (line === "ready") {
          // What the store had went before this, and so is there when this is.
          const isThere = new Promise<void>((resolve) => marked = resolve);
          await reader.publish("mortal", "mark", { qos: 2 });
          await isThere;
          if (acknowledged >= next) fault ??= new Error(`${next} is lost: ${acknowledged} was acknowledged`);
          if (kill < kills) child.stdin!.write(`${next}\n`);
          else isDone = true;
        } else {
          acknowledged = Math.max(acknowledged, Number(line));
          isDone = --left === 0;
        }
        if (isDone || fault !== undefined) break;
      }
      await killed(child);
      if (fault !== undefined) throw fault;
      if (!isDone) throw new Error(`The Client has ended by itself after ${kill} kills`);
    }
    await reader.close();
    await reading;
    return { messages: next, again };
  } finally {
    await reader.close({ timeoutMs: 0 });
    rmSync(folder, { recursive: true });
  }
}
