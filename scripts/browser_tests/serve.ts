/**
 * A broker with the page of the browser tests on one port, and the auditor behind it.
 * Knows where the files are found; refuses to know browsers.
 * @module
 */
import { serve, type Server } from "../../src/server/serve.ts";
import { testPage } from "../../src/cli/test_page.ts";
import { offerAudits } from "./auditor.ts";
import { buildMqttjs } from "./bundle.ts";

/** Where it is. */
export interface Served {
  readonly server: Server;
  /** Of the page. */
  readonly page: string;
}

/** Serves what `files` are; with `mqttjs` the page has MQTT.js too, for the comparison of speeds. */
export async function servePage(
  files: ReadonlyMap<string, string>,
  { listen, mqttjs }: { readonly listen: string; readonly mqttjs: boolean },
): Promise<Served> {
  const all = new Map(files);
  if (mqttjs) {
    all.set("mqtt.js", await buildMqttjs());
    const script = `<script src="mqtt.js"></script>\n    <script type="module"`;
    all.set("index.html", all.get("index.html")!.replace(`<script type="module"`, script));
  }
  const server = await serve({ listen: [listen], webSocket: { http: testPage(() => Promise.resolve(all)) } });
  offerAudits(server);
  const { host } = new URL(server.addresses[0]!.replace(/^ws/, "http"));
  return { server, page: `http://${host}/test/` };
}
