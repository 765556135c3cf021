/**
 * The page: a form, the parts with what came of each, and the report.
 * Knows how results are shown as they come; refuses to know what is tested.
 * @module
 */
import { dialWebSocket } from "../../../src/client_api/web_socket.ts";
import type { Result } from "../report.ts";
import { NotRun, type Reach, type Run, type Section } from "../section.ts";
import { SECTIONS } from "../sections.ts";
import type { Chance } from "../suites.ts";
import { byId, type El, el, world } from "./dom.ts";
import { PAGE_BROKER_URL, PageBroker } from "./page_broker.ts";
import {
  engineOf,
  linkOf,
  type PageReport,
  PartResult,
  reportOf,
  type Shared,
  sharedBy,
  withoutSecrets,
} from "./result.ts";

/** Put in by the bundler. */
declare const PLUMB_VERSION: string;

/** Numbers that seeds may have. */
const SEED_MAX = 2_147_483_647;
const SEEDS_MAX = 100_000;
const DEFAULT_SEEDS = 30;
/** s that a tab is to be hidden; `?hidden=N` for another number. */
const HIDDEN_SECONDS = 40;
/** ms: a broker that answers does it sooner. */
const ANSWER_MS = 4_000;
/** Results of a part that the page lists. */
const LISTED_MAX = 1_000;
/** ms between two looks of a part that runs. */
const SHOW_MS = 100;

const SIGNS: Readonly<Record<PartResult["status"], string>> = {
  waiting: "○",
  running: "▶",
  passed: "✓",
  failed: "✗",
  "not run": "–",
  stopped: "■",
};

/** One part on the page. */
class Part {
  readonly section: Section;
  result = new PartResult();
  readonly element: El;
  readonly button: El;
  readonly #status = el("p", { class: "status" });
  readonly #progress = el("progress", { value: "0", max: "1" });
  readonly #says = el("p", { class: "says", hidden: "" });
  readonly #failures = el("ul", { class: "failures", hidden: "" });
  readonly #shown = el("div");
  readonly #list = el("ol");
  readonly #details = el("details", { hidden: "" }, el("summary", {}, "All results"), this.#list);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(section: Section, run: (part: Part) => void) {
    const { id, title, about, limits } = this.section = section;
    this.#progress.setAttribute("aria-label", `${title}: progress`);
    this.button = el("button", { type: "button", "aria-describedby": `${id}-title` }, "Run this part");
    this.button.addEventListener("click", () => run(this));
    this.element = el(
      "section",
      { id, "aria-labelledby": `${id}-title` },
      el("div", { class: "head" }, el("h2", { id: `${id}-title` }, title), this.#status),
      el("p", {}, about),
      ...limits === undefined ? [] : [el("p", { class: "muted" }, limits)],
      this.#progress,
      this.#says,
      this.#failures,
      this.#shown,
      this.#details,
      this.button,
    );
    this.show();
  }

  begin(): void {
    this.result = new PartResult();
    this.result.status = "running";
    this.#failures.replaceChildren();
    this.#failures.hidden = true;
    this.#shown.replaceChildren();
    this.#list.replaceChildren();
    this.#details.hidden = true;
    this.says("");
    this.show();
  }

  /** Shows how it stands; a part that runs is not looked at for each result. */
  show(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { status, words, done, planned } = this.result;
    this.element.dataset["status"] = status;
    this.#status.replaceChildren(el("span", { "aria-hidden": "true" }, `${SIGNS[status]} `), words);
    const isOver = status !== "running" && status !== "waiting";
    this.#progress.hidden = status === "waiting" || isOver;
    this.#progress.max = Math.max(1, planned);
    this.#progress.value = String(Math.min(done, planned));
  }

  showSoon(): void {
    this.#timer ??= setTimeout(() => this.show(), SHOW_MS);
  }

  told(result: Result): void {
    this.result.add(result);
    const { name, verdict, message = "" } = result;
    if (this.result.done <= LISTED_MAX) {
      this.#details.hidden = false;
      const why = verdict === "skipped" && message !== "" ? ` (${message})` : "";
      const words = { passed: "✓ passed", failed: "✗ failed", skipped: "– not run" }[verdict];
      this.#list.append(el("li", {}, `${words}: ${name}${why}`));
    }
    if (verdict === "failed") this.fails(name, message);
    this.showSoon();
  }

  fails(name: string, message: string): void {
    this.#failures.hidden = false;
    this.#failures.append(
      el(
        "li",
        {},
        el("strong", {}, `✗ ${name}`),
        ...message === "" ? [] : [el("pre", { tabindex: "0" }, message)],
      ),
    );
  }

  says(text: string): void {
    this.#says.textContent = text;
    this.#says.hidden = text === "";
  }

  shows(...elements: El[]): void {
    this.#shown.append(...elements);
  }
}

/** The page with all its parts. */
class TestPage {
  readonly #parts: readonly Part[];
  readonly #broker = byId("broker");
  readonly #seed = byId("seed");
  readonly #seeds = byId("seeds");
  readonly #summary = byId("summary");
  readonly #all = byId("run-all");
  readonly #stop = byId("stop");
  #running: AbortController | undefined;
  #pageBroker: PageBroker | undefined;

  constructor(shared: Shared) {
    this.#parts = SECTIONS.map((section) => new Part(section, (part) => void this.#runThese([part])));
    byId("parts").append(...this.#parts.map(({ element }) => element));
    this.#broker.value = shared.broker ?? ownBroker();
    this.#seed.value = String(shared.seed ?? 1);
    this.#seeds.value = String(shared.seeds ?? DEFAULT_SEEDS);
    byId("settings").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#runThese(this.#parts.filter(({ section }) => !section.isByHand));
    });
    byId("new-seed").addEventListener("click", () => {
      this.#seed.value = String(crypto.getRandomValues(new Uint32Array(1))[0]! % SEED_MAX);
    });
    this.#stop.addEventListener("click", () => this.#running?.abort(new Error("Stopped")));
    byId("download").addEventListener("click", () => this.#download());
    byId("share").addEventListener("click", () => void this.#share());
    const { name, version } = engineOf(world.navigator.userAgent);
    byId("engine").textContent = `${name} ${version}`.trim();
    byId("version").textContent = PLUMB_VERSION;
    if (shared.parts.length > 0) this.#showShared(shared);
    this.#sum();
  }

  /** By name, or all that need nobody: for programs that drive the page. Resolves with the report. */
  async run(ids?: readonly string[]): Promise<PageReport> {
    await this.#runThese(
      this.#parts.filter(({ section }) => ids === undefined ? !section.isByHand : ids.includes(section.id)),
    );
    return this.report();
  }

  report(): PageReport {
    return reportOf(new Map(this.#parts.map(({ section, result }) => [section, result])), {
      userAgent: world.navigator.userAgent,
      broker: withoutSecrets(this.#broker.value),
      chance: this.#chance(),
      date: new Date().toISOString(),
    });
  }

  #chance(): Chance {
    const number = (field: El, most: number, otherwise: number) => {
      const value = Math.floor(Number(field.value));
      return value >= 0 && value <= most && field.value.trim() !== "" ? value : otherwise;
    };
    const [seed, seeds] = [number(this.#seed, SEED_MAX, 1), number(this.#seeds, SEEDS_MAX, DEFAULT_SEEDS)];
    [this.#seed.value, this.#seeds.value] = [String(seed), String(Math.max(1, seeds))];
    return { seed, seeds: Math.max(1, seeds) };
  }

  /** The broker at the address if it answers, else the one inside the page. */
  async #reach(signal: AbortSignal): Promise<Reach> {
    const url = this.#broker.value.trim();
    const said = byId("broker-says");
    if (url !== "") {
      try {
        const end = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
        const transport = await dialWebSocket(new URL(url), { tls: {}, signal: end });
        transport.start({ received: () => {}, drained: () => {}, closed: () => {} });
        transport.close();
        said.textContent = "A broker answers there.";
        return { url, dial: dialWebSocket, isWebSocket: true };
      } catch (error) {
        if (signal.aborted) throw error;
        said.textContent =
          `No broker answers there, so the one inside this page is used where that will do. (${
            error instanceof Error ? error.message : error
          })`;
      }
    } else said.textContent = "The broker inside this page is used where that will do.";
    const broker = this.#pageBroker ??= new PageBroker();
    return {
      url: PAGE_BROKER_URL,
      dial: broker.dial,
      isWebSocket: false,
      give: (port) => broker.give(port),
    };
  }

  async #runThese(parts: readonly Part[]): Promise<void> {
    if (this.#running !== undefined) return;
    const running = this.#running = new AbortController();
    const { signal } = running;
    this.#enable(false);
    for (const { element } of parts) element.dataset["status"] = "waiting";
    try {
      const [chance, reach] = [this.#chance(), await this.#reach(signal)];
      for (const part of parts) {
        if (signal.aborted) break;
        await this.#runOne(part, chance, reach, signal);
        this.#sum();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#running = undefined;
      this.#enable(true);
      this.#sum();
    }
  }

  async #runOne(part: Part, chance: Chance, reach: Reach, signal: AbortSignal): Promise<void> {
    part.begin();
    this.#sum();
    const { result, section } = part;
    const begun = performance.now();
    const run: Run = {
      chance,
      reach,
      signal,
      hiddenSeconds: Number(new URLSearchParams(world.location.search).get("hidden")) || HIDDEN_SECONDS,
      planned: (count) => {
        result.planned = count;
        part.showSoon();
      },
      told: (one) => part.told(one),
      says: (text) => part.says(text),
      shows: (...elements) => part.shows(...elements),
      figures: (more) => result.figures = { ...result.figures, ...more },
      noted: (note) => result.note = note,
    };
    try {
      await section.run(run);
      result.status = result.tally.failed > 0 ? "failed" : "passed";
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      if (signal.aborted) result.status = "stopped";
      else if (error instanceof NotRun) {
        result.status = "not run";
        result.reason = words;
        part.says(words);
      } else {
        result.add({ name: section.title, verdict: "failed", message: words });
        part.fails("It broke off", words);
        result.status = "failed";
      }
    }
    result.ms = Math.round(performance.now() - begun);
    part.show();
  }

  #enable(isIdle: boolean): void {
    this.#all.disabled = !isIdle;
    this.#stop.disabled = isIdle;
    for (const { button } of this.#parts) button.disabled = !isIdle;
  }

  /** One line for all parts, which screen readers say when it changes. */
  #sum(): void {
    const count = (status: PartResult["status"]) =>
      this.#parts.filter(({ result }) => result.status === status).length;
    const running = this.#parts.find(({ result }) => result.status === "running");
    const [passed, failed, notRun] = [count("passed"), count("failed"), count("not run")];
    const done = passed + failed + notRun + count("stopped");
    byId("report").hidden = done === 0;
    const words = done === 0 && running === undefined
      ? "Nothing was run yet."
      : `${passed} parts passed, ${failed} failed, ${notRun} could not be run here, ${
        this.#parts.length - done
      } left.`;
    const now = running === undefined ? "" : ` Now: ${running.section.title}.`;
    if (this.#summary.textContent !== words + now) this.#summary.textContent = words + now;
    this.#summary.dataset["status"] = failed > 0 ? "failed" : passed > 0 ? "passed" : "waiting";
  }

  #download(): void {
    const report = this.report();
    const url = URL.createObjectURL(
      new Blob([JSON.stringify(report, undefined, 2)], { type: "application/json" }),
    );
    const link = el("a", { href: url, download: `plumb-${report.engine.name.toLowerCase()}.json` });
    world.document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  async #share(): Promise<void> {
    const link = linkOf(world.location.href, this.report());
    const field = byId("link");
    field.value = link;
    byId("link-row").hidden = false;
    field.select();
    try {
      await world.navigator.clipboard!.writeText(link);
      byId("share-says").textContent =
        "The link was copied. It has the seed, the address without a password, and the results.";
    } catch { // pages that came over http: may not write to the clipboard
      byId("share-says").textContent =
        "Copy the link. It has the seed, the address without a password, and the results.";
    }
  }

  #showShared({ engine = "", date = "", parts }: Shared): void {
    const rows = parts.map(([id, status, passed, failed]) => {
      const title = SECTIONS.find((section) => section.id === id)?.title ?? id;
      return el("li", {}, `${title}: ${status}, ${passed} passed, ${failed} failed`);
    });
    byId("shared").append(
      el("h2", {}, "What the link says"),
      el(
        "p",
        {},
        `Somebody ran this page in ${engine || "a browser"}${
          date && ` on ${date}`
        }. This is what their link says; nobody has checked it. Run the page to see for yourself: it has the same seed.`,
      ),
      el("ul", {}, ...rows),
    );
    byId("shared").hidden = false;
  }
}

/** Where the broker is that served the page, if one did. */
function ownBroker(): string {
  const { protocol, host } = world.location;
  return protocol.startsWith("http") ? `${protocol === "https:" ? "wss" : "ws"}://${host}/mqtt` : "";
}

/** Builds the page. Programs that drive it find it as `plumbTests`. */
export function beginPage(): void {
  const page = new TestPage(sharedBy(world.location.hash));
  (globalThis as unknown as { plumbTests: object }).plumbTests = page;
}
