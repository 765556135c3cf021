/**
 * Two brokers in one process, and a bridge between them: what is published below `shared/` on one reaches the subscribers of both.
 * Run: `deno run -A examples/bridge.ts [URL] [URL]`, or `bun examples/bridge.ts`; Ctrl-C ends it.
 * @module
 */
import process from "node:process";
import { decodePacket, encodePacket, serve, type Server, type TappedMessage } from "../mod.ts"; // from a package: "@plumb/mqtt"

const [url = "mqtt://127.0.0.1:1883", otherUrl = "mqtt://127.0.0.1:1884"] = process.argv.slice(2);

/** The message as a frame of level 5, which `inject()` takes. A frame of level 5 goes through as it is, properties and all. */
function frameOf({ view }: TappedMessage): Uint8Array {
  const frame = view.bytes.subarray(view.at, view.end);
  return view.level5 ? frame : encodePacket(decodePacket(frame, 4), 5);
}

/** Both ways. What comes from the other side does not go back there: it is injected with the tap that leads there as its origin. */
function bridge(filter: string, one: Server, other: Server): void {
  const fromOne = one.tap(filter, (message) => other.inject(frameOf(message), fromOther));
  const fromOther = other.tap(filter, (message) => one.inject(frameOf(message), fromOne));
}

const hooks = { failed: (error: unknown) => console.error(error) };
const one = await serve({ listen: [url], hooks });
const other = await serve({ listen: [otherUrl], hooks });
bridge("shared/#", one, other);

console.log(`listening on ${[...one.addresses, ...other.addresses].join(", ")}`);
await new Promise((resolve) => process.once("SIGINT", resolve));
await Promise.all([one.close(), other.close()]);
console.log("closed");
