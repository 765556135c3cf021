/**
 * Audits other brokers, and ours beside them, at both levels; writes the table in conformance/README.md and, into `dist/`,
 * all reports. Usage: deno task audit:peers [NAME ...]; with names only those are audited and the table stays as it is.
 * Knows the steps; refuses to judge.
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { audit, type AuditReport, htmlReport, terminalReport } from "../../../conformance/mod.ts";
import { formatMarkdown } from "../../lib/deno_fmt.ts";
import { pathOf } from "../../lib/tree.ts";
import { PEERS } from "./peers.ts";
import { withTable } from "./table.ts";

const FOLDER = "dist/peers";
const README = "conformance/README.md";

const wanted = process.argv.slice(2).filter((arg) => arg !== "--");
const reports: AuditReport[] = [];
mkdirSync(pathOf(FOLDER), { recursive: true });
for (const peer of PEERS) {
  if (wanted.length > 0 && !wanted.includes(peer.name)) continue;
  const version = peer.version();
  if (version === undefined) throw new Error(`${peer.name} is not installed`);
  const { port, webSocketPort, stop } = await peer.start();
  const began = performance.now();
  try {
    const target = webSocketPort === undefined
      ? `mqtt://127.0.0.1:${port}`
      : `ws://127.0.0.1:${webSocketPort}/mqtt`; // by which all cases can be run
    const report = await audit(target, {
      levels: [5, 4],
      timing: true,
      product: `${peer.name} ${version}`,
      runtime: `Deno ${(process.versions as Record<string, string | undefined>).deno ?? ""}`.trim(),
    });
    reports.push(report);
    const file = `${FOLDER}/${peer.name.toLowerCase()}`;
    writeFileSync(pathOf(`${file}.json`), JSON.stringify(report));
    writeFileSync(pathOf(`${file}.html`), htmlReport(report));
    writeFileSync(pathOf(`${file}.txt`), terminalReport(report, { colour: false }));
    for (const { version: standard, totals: { cases } } of report.levels) {
      const found = Object.entries(cases).filter(([, count]) => count > 0).map(([name, count]) =>
        `${count} ${name}`
      );
      console.log(`${peer.name} ${version}, MQTT ${standard}: ${found.join(", ")}`);
    }
    console.log(`  ${((performance.now() - began) / 1000).toFixed(1)} s, ${file}.html`);
  } finally {
    await stop();
  }
}
if (wanted.length === 0) {
  const text = withTable(readFileSync(pathOf(README), "utf8"), reports);
  writeFileSync(pathOf(README), formatMarkdown(text));
}
process.exit(0);
