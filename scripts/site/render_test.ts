/** The documentation site: how Markdown becomes pages, and that the one of the working copy is whole. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, test } from "node:test";
import { ALL_IDS } from "../lib/statement_places.ts";
import { patient } from "../../src/testing/patience.ts";
import { siteOfWorkingCopy } from "./build.ts";
import { renderSite, type Site } from "./render.ts";

/** A site of these files, each a page of its name; `src/a.ts` is there and no page. */
function siteOf(files: Readonly<Record<string, string>>): Site {
  return renderSite({
    pages: new Map(
      Object.keys(files).map((file) => [file, file.replace(/^docs\//, "").replace(/\.md$/, ".html")]),
    ),
    main: [["docs/a.md", "A"], ["docs/deep/b.md", "B"]],
    read: (file) => files[file] ?? "<svg/>",
    has: (path) => path in files || ["src/a.ts", "docs/picture.svg"].includes(path),
  });
}

/** The text of one page, and the faults. */
function rendered(text: string): readonly [string, readonly string[]] {
  const { files, faults } = siteOf({ "docs/a.md": text, "docs/deep/b.md": "# B\n\n## Part one\n" });
  const page = files.get("a.html")!;
  return [page.slice(page.indexOf("<main"), page.indexOf("</main>")), faults];
}

describe("a page of the site", () => {
  test("has links to pages, with their headings, in place of links to files", () => {
    const [page, faults] = rendered(
      "# A\n\n[b](deep/b.md) [part](deep/b.md#part-one) [here](#a) [web](https://example.com/?a&b)\n",
    );
    assertEquals(faults, []);
    assertStringIncludes(
      page,
      '<a href="deep/b.html">b</a> <a href="deep/b.html#part-one">part</a> <a href="#a">here</a>',
    );
    assertStringIncludes(page, '<a href="https://example.com/?a&amp;b" rel="noreferrer">web</a>');
  });

  test("names a file of the source, and does not link to it", () => {
    const [page, faults] = rendered("[the code](../src/a.ts)\n");
    assertEquals(faults, []);
    assertStringIncludes(page, '<span class="file" title="src/a.ts, in the source">the code</span>');
  });

  test("is at fault for a link that leads nowhere, by file or by heading", () => {
    const [, faults] = rendered("[a](gone.md) [b](deep/b.md#gone) [c](#gone) [d](../../outside.md)\n");
    assertEquals(faults, [
      "docs/a.md: gone.md leads nowhere",
      "docs/a.md: deep/b.md#gone: there is no such heading",
      "docs/a.md: #gone: there is no such heading",
      "docs/a.md: ../../outside.md leads nowhere",
    ]);
  });

  test("has an anchor at each heading, two of one name told apart", () => {
    const [page] = rendered("# A\n\n## Same\n\n## Same\n");
    for (const anchor of ["a", "same", "same-1"]) assertStringIncludes(page, `id="${anchor}"`);
  });

  test("shows code as it is written, and takes no HTML", () => {
    const [page, faults] = rendered("```sh\na < b && c\n```\n\n<b>bold</b>\n");
    assertStringIncludes(page, "<code>a &lt; b &amp;&amp; c</code>");
    assert(!page.includes("<b>"));
    assertEquals(faults.length, 2);
  });

  test("knows which of the main pages it is, and how it gets to the others", () => {
    const { files } = siteOf({ "docs/a.md": "# A <x>\n", "docs/deep/b.md": "# B\n" });
    assertStringIncludes(files.get("deep/b.html")!, '<a href="../a.html">A</a>');
    assertStringIncludes(files.get("deep/b.html")!, '<a href="b.html" aria-current="page">B</a>');
    assertStringIncludes(files.get("deep/b.html")!, '<link rel="stylesheet" href="../style.css">');
    assertStringIncludes(files.get("a.html")!, "<title>A &lt;x&gt; – Plumb</title>");
  });

  test("carries its pictures", () => {
    const [page, faults] = rendered("![rates](picture.svg)\n");
    assertEquals(faults, []);
    assertStringIncludes(page, `<img alt="rates" src="data:image/svg+xml;base64,${btoa("<svg/>")}">`);
  });
});

describe("the site of the working copy", () => {
  test("has no link that leads nowhere, and an address for each id", patient, () => {
    const { files, faults } = siteOfWorkingCopy();
    assertEquals(faults, []);
    const redirects: Record<string, string> = JSON.parse(files.get("redirects.json")!);
    for (const id of ALL_IDS) {
      const [path = "", anchor = ""] = (redirects[`statements/${id.toLowerCase()}`] ?? "").split("#");
      assert(files.get(path)?.includes(`<h2 id="${anchor}"><a href="#${anchor}">${id}</a></h2>`), id);
    }
  });
});
