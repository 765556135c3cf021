/**
 * Looks at a broker as monitors do: `/metrics` each second, and a subscription to `$SYS/#`. Run:
 * `watcher_child.ts HTTP_URL MQTT_URL all|metrics|sys|nothing`; it says
 * `ready` behind the first look, and ends with its standard input.
 * Knows what monitors ask for; refuses to know what that costs.
 * @module
 */
import process from "node:process";
import { connect } from "../../../src/client_api/mod.ts";

const SECOND_MS = 1_000;

const [http, mqtt, kind] = process.argv.slice(2) as [string, string, string];

async function scrape(): Promise<void> {
  const accept = "application/openmetrics-text; version=1.0.0";
  const response = await fetch(`${http}/metrics`, { headers: { accept } });
  const text = await response.text();
  if (response.status !== 200 || !text.endsWith("# EOF\n")) throw new Error(`${response.status}: ${text}`);
}

process.stdin.on("end", () => process.exit(0)).resume();
if (kind === "all" || kind === "metrics") {
  await scrape();
  setInterval(scrape, SECOND_MS);
}
if (kind === "all" || kind === "sys") {
  const client = await connect(mqtt, { clientId: "watcher" });
  const messages = (await client.subscribe("$SYS/#", { qos: 0 }))[Symbol.asyncIterator]();
  if ((await messages.next()).done) throw new Error("There is no $SYS");
  void (async () => {
    while (!(await messages.next()).done);
  })();
}
process.stdout.write("ready\n");
