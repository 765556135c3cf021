import { simulateNodes } from "./src/testing/nodes_simulation.ts";
const [from, count, mode] = (globalThis.process?.argv ?? []).slice(2);
let bad = 0, sum=0, exp=0; const kinds: Record<string, number[]> = {};
const t = performance.now();
for (let seed = Number(from); seed < Number(from) + Number(count); seed++) {
  for (const keeps of mode === "k" ? [true] : mode === "n" ? [false] : [true, false]) {
    try { const r = simulateNodes(seed, { keeps }); sum += r.deliveries; exp += r.expected; } catch (e) {
      bad++;
      const key = `${keeps} ` + String((e as Error).message).replace(/\x1b\[[0-9;]*m/g, "").replace(/\d+/g, "#").slice(0, 150).replaceAll("\n", " ");
      (kinds[key] ??= []).push(seed);
      if (Number(count) === 1) console.log((e as Error).stack);
    }
  }
}
console.log(bad, "bad of", count, "deliveries", sum, "expected", exp, ((performance.now() - t) / 1000).toFixed(1), "s");
for (const [k, v] of Object.entries(kinds).sort((a, b) => b[1].length - a[1].length)) console.log(v.length, k, v.slice(0, 6).join(" "));
