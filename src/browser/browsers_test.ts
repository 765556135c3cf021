/** §4.1 The broker of a browser and its store in the engines that are installed. `deno task browsers` tries them for longer. @module */
import { assert, assertEquals } from "@std/assert";
import { after, test } from "node:test";
import { assertNothingLost, contractInPage, killsInPage, tabsInPage } from "../testing/broker_pages.ts";
import { ENGINES, inBrowser } from "../testing/browsers.ts";
import { closePages } from "../testing/pages.ts";
import { patient } from "../testing/patience.ts";

for (const engine of ENGINES) {
  inBrowser(engine, "A broker in a browser", () => {
    after(closePages);

    // A minute in the others: there by the trial alone.
    const slow = engine === "chromium" ? {} : { skip: "deno task browsers" };
    test("has a store that brings back what every store must", { ...patient, ...slow }, async () => {
      const results = await contractInPage(engine, ["os"]); // the trial: both
      assertEquals(results.filter(({ fault }) => fault !== null), []);
      assert(results.length > 30, `${results.length} tests`);
    });

    test(
      "has what it has acknowledged when its worker is killed in the midst of commits",
      patient,
      async () => {
        assertNothingLost(await killsInPage(engine, 3));
      },
    );

    test(
      "serves tabs that share a worker, and sees when one of them is gone",
      patient,
      () => tabsInPage(engine),
    );
  });
}
