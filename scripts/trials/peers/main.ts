/**
 * Audits other brokers, and ours beside them, at both levels; writes what was found to found.json, the table in docs/peers.md
 * and, into `dist/`, all reports. Usage: deno task audit:peers [NAME ...]; with names only those are audited, and the others stay
 * as they were found; with --write none is, and the table is written from found.json.
 * Knows the steps; refuses to judge.
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { audit, htmlReport, terminalReport } from "../../../conformance/mod.ts";
import { formatMarkdown } from "../../lib/deno_fmt.ts";
import { foundIn, foundText, PEERS_FOUND, peersFound } from "../../lib/peers_found.ts";
import { pathOf } from "../../lib/tree.ts";
import { PEERS } from "./peers.ts";
import { withTable } from "./table.ts";

const FOLDER = "dist/peers";
/** For cases that a broker answers slowly. */
const SLOW_MS = 45_000;
const PAGE = "docs/peers.md";

const args = process.argv.slice(2).filter((arg) => arg !== "--");
const wanted = args.filter((arg) => arg !== "--write");
const found = new Map(peersFound().map((one) => [one.product.split(" ")[0]!, one]));
mkdirSync(pathOf(FOLDER), { recursive: true });
for (const peer of args.includes("--write") ? [] : PEERS) {
  if (wanted.length > 0 && !wanted.includes(peer.name)) continue;
  const version = peer.version();
  if (version === undefined) {
    console.log(`${peer.name} is not installed; what was found of it last stays`);
    continue;
  }
  const { port, webSocketPort, user, stop } = await peer.start();
  const began = performance.now();
  try {
    const target = webSocketPort === undefined
      ? `mqtt://${user === undefined ? "" : `${user}@`}127.0.0.1:${port}`
      : `ws://127.0.0.1:${webSocketPort}/mqtt`; // by which all cases can be run
    const report = await audit(target, {
      levels: [5, 4],
      timing: true,
      product: `${peer.name} ${version}`,
      runtime: `Deno ${(process.versions as Record<string, string | undefined>).deno ?? ""}`.trim(),
    });
    const again = peer.slow === undefined
      ? undefined
      : await audit(target, { levels: [5, 4], only: [...peer.slow], patienceMs: SLOW_MS });
    found.set(peer.name, foundIn(report, again));
    const file = `${FOLDER}/${peer.name.toLowerCase()}`;
    writeFileSync(pathOf(`${file}.json`), JSON.stringify(report));
    writeFileSync(pathOf(`${file}.html`), htmlReport(report));
    writeFileSync(pathOf(`${file}.txt`), terminalReport(report, { colour: false }));
    for (const { version: standard, totals: { cases } } of report.levels) {
      const counts = Object.entries(cases).filter(([, count]) => count > 0).map(([name, count]) =>
        `${count} ${name}`
      );
      console.log(`${peer.name} ${version}, MQTT ${standard}: ${counts.join(", ")}`);
    }
    console.log(`  ${((performance.now() - began) / 1000).toFixed(1)} s, ${file}.html`);
  } finally {
    await stop();
  }
}
const brokers = PEERS.flatMap(({ name }) => found.get(name) ?? []);
writeFileSync(pathOf(PEERS_FOUND), foundText(brokers));
writeFileSync(pathOf(PAGE), formatMarkdown(withTable(readFileSync(pathOf(PAGE), "utf8"), brokers)));
console.log("Now `deno task trace`: the pages of the statements say it too");
process.exit(0);
