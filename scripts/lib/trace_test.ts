import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { STATEMENTS } from "../../spec/statements.ts";
import { UNCITED } from "../../spec/uncited.ts";
import { WAIVERS } from "../../spec/waivers.ts";
import { faultsOf, lineOf, type Place, type Trace } from "./trace.ts";

const EVERYTHING = new Map<string, readonly Place[]>(
  Object.keys(STATEMENTS).map((id) => [id, [{ path: "src/x.ts", line: 1 }]]),
);
const NOTHING = new Map<string, never>();

function trace(code: Trace["code"], tests: Trace["tests"]): Trace {
  return { code, tests, cases: NOTHING, mutants: NOTHING, faults: [] };
}

describe("faultsOf()", () => {
  test("when everything is cited each entry of a table is needless, and nothing else is wrong", () => {
    const wanted = [
      ...Object.keys(WAIVERS).map((id) => `${id}: its waiver in spec/waivers.ts is needless`),
      ...Object.keys(UNCITED).map((id) => `${id}: its entry in spec/uncited.ts is needless`),
    ];
    assertEquals(faultsOf(trace(EVERYTHING, EVERYTHING)).sort(), wanted.sort());
  });
  test("a statement that binds a Server and that no code cites is a fault without a reason", () => {
    const faults = faultsOf(trace(NOTHING, EVERYTHING));
    assert(faults.some((fault) => fault.startsWith("MQTT-3.3.1-4: binds a Server and no code cites it")));
    assert(!faults.some((fault) => fault.startsWith("MQTT-3.1.2-20"))); // of a Client
  });
  test("a statement without test and waiver is a fault", () => {
    assert(faultsOf(trace(EVERYTHING, NOTHING)).includes("MQTT-3.3.1-4: neither test nor waiver"));
  });
});

describe("lineOf()", () => {
  const text = `const A = {
  "qos-3": {},
  plain: {},
  ...places.map((place) => [\`unknown-in-\${place}\`, {}]),
};
export const CASES = cases(A);`;

  test("is the line on which a case is declared", () => {
    assertEquals(lineOf("3.3.1/qos-3", text), 2);
    assertEquals(lineOf("client/3.3.1/plain", text), 3);
  });
  test("is that of the beginning of a name that is put together, or of CASES", () => {
    assertEquals(lineOf("2.2.2/unknown-in-puback", text), 4);
    assertEquals(lineOf("2.2.2/other", text), 6);
  });
});
