/**
 * The rank test of Mann and Whitney: whether two lots of times may come from one source.
 * Knows numbers; refuses to know what was measured.
 * @module
 */

/** The probability that lots of one source differ by as much in their ranks; two-sided, for lots of 20 and more. */
export function rankTest(first: readonly number[], second: readonly number[]): number {
  const all = [
    ...first.map((value) => ({ value, isFirst: true })),
    ...second.map((value) => ({ value, isFirst: false })),
  ]
    .sort((a, b) => a.value - b.value);
  const [n1, n2, n] = [first.length, second.length, all.length];
  let sum = 0;
  let ties = 0;
  for (let at = 0; at < n;) {
    let end = at;
    while (end < n && all[end]!.value === all[at]!.value) end++;
    const rank = (at + end + 1) / 2; // of all that are equal
    for (let each = at; each < end; each++) if (all[each]!.isFirst) sum += rank;
    ties += (end - at) ** 3 - (end - at);
    at = end;
  }
  const deviation = sum - n1 * (n + 1) / 2;
  const variance = n1 * n2 / 12 * (n + 1 - ties / (n * (n - 1)));
  if (variance === 0) return 1;
  return 2 * (1 - normal(Math.max(0, Math.abs(deviation) - 0.5) / Math.sqrt(variance)));
}

/** The normal distribution up to `z`, at least 0 (Abramowitz and Stegun 26.2.17, to 7 digits). */
function normal(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const tail = ((((1.330274429 * t - 1.821255978) * t + 1.781477937) * t - 0.356563782) * t + 0.31938153) * t;
  return 1 - Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) * tail;
}
