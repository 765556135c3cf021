/**
 * An audit as a step of a build: starts the broker under test, audits it, writes a JUnit report and a badge, and fails if
 * something is against the standard.
 * Run: `deno run -A examples/audit_in_ci.ts DIRECTORY [SECTION…]`, or `bun examples/audit_in_ci.ts`. Exit status 1: something is.
 *
 * Without a program the same is `plumb audit URL --report audit.xml --report audit.svg`.
 * @module
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { audit, badge, junitReport } from "../conformance/mod.ts"; // from a package: "@plumb/mqtt/conformance"
import { serve } from "../mod.ts"; // your broker

const [directory = "dist/audit", ...only] = process.argv.slice(2);

const server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
const report = await audit(server.addresses[0]!, { only, product: "my broker" });
await server.close();

mkdirSync(directory, { recursive: true });
writeFileSync(join(directory, "audit.xml"), junitReport(report));
writeFileSync(join(directory, "audit.svg"), badge(report));

let faults = 0;
for (const { version, cases, totals } of report.levels) {
  console.log(`MQTT ${version}: ${totals.cases.pass} of ${cases.length} cases pass`);
  for (const { id, verdict, reason } of cases) {
    if (verdict !== "fail" && verdict !== "inconclusive") continue;
    faults++;
    console.log(`${verdict} ${id}: ${reason}`);
  }
}
process.exit(faults === 0 ? 0 : 1);
