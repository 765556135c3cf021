/**
 * What a person does with a page: reads, presses, types, goes elsewhere.
 * Knows labels and the words on buttons; refuses to know what the page is for.
 * @module
 */
/// <reference lib="dom" />
import axe from "axe-core";
import { Buffer } from "node:buffer";
import type { ElementHandle, Page } from "puppeteer-core";
import type { Tab } from "../../src/testing/browsers.ts";

/** What is found by words. */
type Kind = "field" | "press";

/** In the page: the visible control of these words: in the dialog if one is open, else rather in the view than beside it. */
const FIND = (kind: Kind, words: string): Element | null => {
  const dialog = document.querySelector("dialog[open]");
  const scopes = dialog === null ? [document.querySelector("main"), document.body] : [dialog];
  const name = (element: Element): string => {
    const label = element.getAttribute("aria-label");
    if (label !== null) return label;
    if (kind === "press") return element.textContent ?? "";
    const { labels } = element as HTMLInputElement;
    const [first] = labels ?? [];
    return (first?.querySelector("span") ?? first)?.textContent ?? "";
  };
  const selector = kind === "press" ? "button:not(:disabled), a[href], summary" : "input, select, textarea";
  for (const scope of scopes) {
    for (const element of scope?.querySelectorAll(selector) ?? []) {
      if (name(element).trim() === words && (element as HTMLElement).checkVisibility()) return element;
    }
  }
  return null;
};

/** One of them, in one tab. */
export class Person {
  readonly #tab: Tab;

  constructor(tab: Tab) {
    this.#tab = tab;
  }

  get #page(): Page {
    return this.#tab.puppeteer!;
  }

  async #find(kind: Kind, words: string): Promise<ElementHandle<Element>> {
    try {
      const handle = await this.#page.waitForFunction(FIND, { polling: 20 }, kind, words);
      return handle as ElementHandle<Element>;
    } catch (error) {
      throw new Error(`No ${kind} ${JSON.stringify(words)} on the page, which says:\n${await this.reads()}`, {
        cause: error,
      });
    }
  }

  /** Presses a button or a link. */
  async presses(words: string): Promise<void> {
    const handle = await this.#find("press", words);
    await handle.click();
    await handle.dispose();
  }

  /** Writes into a field, in place of what was there. */
  async writes(label: string, text: string): Promise<void> {
    const handle = await this.#find("field", label);
    await handle.evaluate((element) => {
      (element as HTMLInputElement).focus();
      (element as HTMLInputElement).select();
    });
    if (text === "") await this.#page.keyboard.press("Delete");
    else await this.#page.keyboard.type(text);
    await handle.dispose();
  }

  /** Chooses a value in a list. */
  async chooses(label: string, value: string): Promise<void> {
    const handle = await this.#find("field", label);
    await (handle as ElementHandle<HTMLSelectElement>).select(value);
    await handle.dispose();
  }

  /** Ticks a box. */
  async ticks(label: string): Promise<void> {
    const handle = await this.#find("field", label);
    await handle.click();
    await handle.dispose();
  }

  /** Presses keys. */
  async keys(...keys: Parameters<Page["keyboard"]["press"]>[0][]): Promise<void> {
    for (const key of keys) await this.#page.keyboard.press(key);
  }

  /** Waits until the words are to be read. */
  async sees(...words: readonly string[]): Promise<void> {
    for (const one of words) {
      try {
        await this.#tab.waitFor((one) => document.body.innerText.includes(one), one);
      } catch (error) {
        throw new Error(`Not to be read: ${one}. The page says:\n${await this.reads()}`, { cause: error });
      }
    }
  }

  /** Waits until they are not. */
  async seesNoMore(words: string): Promise<void> {
    try {
      await this.#tab.waitFor((words) => !document.body.innerText.includes(words), words);
    } catch (error) {
      throw new Error(`Still to be read: ${words}. The page says:\n${await this.reads()}`, { cause: error });
    }
  }

  /** Everything that is to be read. */
  reads(): Promise<string> {
    return this.#tab.evaluate(() => document.body.innerText);
  }

  /** Goes to a view by its address, and waits for its heading. */
  async goes(hash: string, heading: string): Promise<void> {
    await this.#tab.evaluate((hash) => void (location.hash = hash), hash);
    await this.#tab.waitFor((heading) => document.querySelector("h1")?.textContent === heading, heading);
  }

  /** What axe-core finds that is serious or critical, in words. */
  async faults(): Promise<string[]> {
    const found = await this.#page.evaluate(`(async () => {
      if (globalThis.axe === undefined) { ${axe.source} }
      const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
      return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(
        ({ id, help, nodes }) => id + ": " + help + ": " + nodes.map(({ html, failureSummary }) => html + " " + failureSummary).join("; "));
    })()`);
    return found as string[];
  }

  /** Prefers light or dark. */
  async prefers(scheme: "light" | "dark"): Promise<void> {
    await this.#tab.evaluate((scheme) => {
      const select = [...document.querySelectorAll("select")].find((one) => one.closest(".theme"))!;
      select.value = scheme;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }, scheme);
  }

  /** Whether something is wider than the screen. */
  isTooWide(): Promise<boolean> {
    return this.#tab.evaluate(() =>
      document.documentElement.scrollWidth > document.documentElement.clientWidth
    );
  }

  /** The whole page as PNG; with a dialog open what is on the screen. */
  async photographs(): Promise<Buffer> {
    const fullPage = await this.#tab.evaluate(() => document.querySelector("dialog[open]") === null);
    return Buffer.from(await this.#page.screenshot({ fullPage }));
  }
}
