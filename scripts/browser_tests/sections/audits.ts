/**
 * The audits as a page runs them: of the broker at the address, and of our Client in this browser, by an auditor in the page or outside.
 * Knows who audits whom; refuses to know what a case does.
 * @module
 */
import type { RunningClient } from "../../../conformance/client/drivers/driver.ts";
import { type AuditedConnect, startAudited } from "../../../src/cli/client/audited.ts";
import { connect, connectBy } from "../../../src/client_api/browser.ts";
import { browserLoop } from "../../../src/client_api/browser_loop.ts";
import { auditOwnClient, auditServer } from "../audits.ts";
import { AUDITOR, BEGIN, type FromPage, fromPage, type ToPage, toPage } from "../orders.ts";
import { needsWebSocket, NotRun, type Run, type Section } from "../section.ts";

/** ms: a retained message is there at once, or not at all. */
const RETAINED_MS = 1_500;
/** ms between two looks at what Clients have heard. */
const LOOK_MS = 15;

/** Our Client as pages get it. The level is the auditor's to choose, and so is Keep Alive. */
const connectForAudit: AuditedConnect = (url, options) => connect(url, options);

async function auditBroker(run: Run): Promise<void> {
  needsWebSocket(run);
  const { reach } = run;
  const url = new URL(reach.url);
  const declared = {
    ...url.username !== "" && { username: decodeURIComponent(url.username) },
    ...url.password !== "" && { password: decodeURIComponent(url.password) },
  };
  run.noted("over the browser's WebSocket, levels 5 and 4, without §6 and cases that wait");
  await auditServer({
    dial: () => {
      if (run.signal.aborted) throw run.signal.reason;
      return reach.dial(url, { tls: {}, signal: run.signal });
    },
    declared,
  }, run);
}

async function auditClientInPage(run: Run): Promise<void> {
  run.noted("in memory, levels 5 and 4, without §6 and cases that wait");
  await auditOwnClient(run);
}

async function auditClientFromOutside(run: Run): Promise<void> {
  needsWebSocket(run);
  const { reach, signal } = run;
  const page = crypto.getRandomValues(new Uint32Array(2)).join("");
  const control = await connectBy(reach.dial, reach.url, { loop: browserLoop(), signal });
  const clients = new Map<number, RunningClient>();
  try {
    const here = await control.subscribe(AUDITOR);
    const found = await Promise.race([
      here[Symbol.asyncIterator]().next().then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), RETAINED_MS)),
    ]);
    if (!found) {
      throw new NotRun("There is no auditor behind this address; the page of `deno task browser` has one");
    }
    run.noted("over the browser's WebSocket, levels 5 and 4, §6 too, without cases that wait");
    const orders = await control.subscribe(toPage(page), { qos: 2 });
    await control.publish(BEGIN, page, { qos: 2 });
    const tell = (told: FromPage) => void control.publish(fromPage(page), JSON.stringify(told), { qos: 2 });
    for await (const { bytes } of orders) {
      const told = JSON.parse(new TextDecoder().decode(bytes)) as ToPage;
      if ("planned" in told) run.planned(told.planned);
      else if ("result" in told) run.told(told.result);
      else if ("start" in told) {
        const client = startAudited(told.order, told.where, connectForAudit);
        clients.set(told.start, client);
        watch(told.start, client, tell);
      } else if ("leave" in told) clients.get(told.leave)?.leave();
      else if ("stop" in told) void clients.get(told.stop)?.stop();
      else if (told.error !== undefined) throw new Error(told.error);
      else return;
    }
  } finally {
    for (const client of clients.values()) void client.stop();
    await control.close({ timeoutMs: 500 });
  }
}

/** Tells what a Client hears and says, until it is gone. */
function watch(number: number, client: RunningClient, tell: (told: FromPage) => void): void {
  let last = "";
  const look = (isGone: boolean): void => {
    const { heard = [], words } = client;
    const told: FromPage = { client: number, heard, words, isGone };
    const text = JSON.stringify(told);
    if (text !== last) tell(told);
    last = text;
  };
  const timer = setInterval(() => look(false), LOOK_MS);
  void client.gone.then(() => {
    clearInterval(timer);
    look(true);
  });
}

/** In the order of the page. */
export const AUDIT_SECTIONS: readonly Section[] = [
  {
    id: "audit-client-memory",
    title: "Audit of the client, inside the page",
    about:
      "An auditor in this page plays the server to the client, does to it what the MQTT standard allows and forbids, and checks every answer.",
    limits:
      "The two are connected in memory: the browser's WebSocket is not part of it, nor the cases about WebSocket (§6).",
    row: "audit of client",
    run: auditClientInPage,
  },
  {
    id: "audit-client",
    title: "Audit of the client, over WebSocket",
    about:
      "The auditor stands outside: this page starts one client after the other, which connect to it by the browser's WebSocket, and also get messages in pieces, in text frames and between control frames.",
    limits: "It needs the auditor of “deno task browser” on this computer.",
    row: "audit of client",
    run: auditClientFromOutside,
  },
  {
    id: "audit-broker",
    title: "Audit of the broker at the address",
    about:
      "This page plays a client, one that breaks the rules too, and checks that the broker at the address above does what the MQTT standard demands. Any broker will do.",
    limits:
      "A page cannot form WebSocket frames itself, so the cases about them (§6) are left out, and those that only wait. “plumb audit” runs all.",
    row: "audit of broker",
    run: auditBroker,
  },
];
