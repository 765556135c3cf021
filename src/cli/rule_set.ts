/**
 * Hooks in a file and the webhook of a broker, by its settings.
 * Knows which of them go on when settings change; refuses to know what they do.
 * @module
 */
import { readFileSync } from "node:fs";
import type { Tap } from "../broker/mod.ts";
import { UsageError } from "../codec/error.ts";
import { kebab } from "../config/setting.ts";
import { numbersOf } from "../login/options.ts";
import { type EventKind, hooksOf, type Listener } from "../rules/event.ts";
import type { RuleFigures } from "../rules/figures.ts";
import type { HookRunner, HookRunnerOptions } from "../rules/hook_runner.ts";
import { HOOK_NUMBERS, WEBHOOK_NUMBERS } from "../rules/numbers.ts";
import type { Webhook, WebhookOptions } from "../rules/webhook.ts";
import type { ServeHooks, Server } from "../server/serve.ts";
import { environment } from "./environment.ts";
import { CallError, fileTrouble } from "./error.ts";
import type { Log } from "./log.ts";
import type { Settings } from "./options.ts";

/** The settings that are read here. */
export type RuleSettings = Pick<Settings, "hooks" | "hookLimits" | "webhook">;

/** In place of `webhook.secret-file`: a secret is no flag, which other users of a machine see. */
const SECRET_VARIABLE = "PLUMB_WEBHOOK_SECRET";

const WEBHOOK_DEFAULTS = { events: ["connect", "disconnect"], payload: "text" } as const;

/** Hooks and webhook of one configuration. */
export class RuleSet {
  readonly #hooks: HookRunner | undefined;
  readonly #webhook: Webhook | undefined;
  /** What the webhook was made of. */
  readonly #given: string;
  readonly #tellers = hooksOf(() => this.#listeners);
  #server: Server | undefined;
  #taps: Tap[] = [];
  #stop: () => void = () => {};

  private constructor(hooks: HookRunner | undefined, webhook: Webhook | undefined, given: string) {
    this.#hooks = hooks;
    this.#webhook = webhook;
    this.#given = given;
  }

  /**
   * Runs the file of hooks, and makes the webhook. Those of `before` go on if their settings are the same.
   * @throws {CallError} for a file that cannot be run, and for a webhook that cannot be.
   */
  static async open(settings: RuleSettings, log: Log, before?: RuleSet): Promise<RuleSet> {
    const given = webhookOf(settings);
    const text = JSON.stringify(given ?? null);
    const old = before?.parts;
    const webhook = text === old?.given ? old.webhook : await makeWebhook(given, log);
    return new RuleSet(await openHooks(settings, log, old?.hooks), webhook, text);
  }

  /**
   * Sees whether both can be.
   * @throws {CallError}
   */
  static async check(settings: RuleSettings, log: Log): Promise<void> {
    await makeWebhook(webhookOf(settings), log);
    const { hooks: file } = settings;
    if (file === undefined) return;
    const options = runnerOptions(file, settings, log);
    const { HookRunner } = await import("../rules/hook_runner.ts");
    await HookRunner.check(options).catch(({ message }: Error) => {
      throw new CallError(`--hooks ${file}: ${message}`);
    });
  }

  /** Whether there are neither. */
  get isEmpty(): boolean {
    return this.#hooks === undefined && this.#webhook === undefined;
  }

  /** Figures of both. */
  get figures(): RuleFigures {
    return { hooks: this.#hooks?.figures, webhook: this.#webhook?.figures };
  }

  /** Hooks of the server that tell of what is to be heard, and then do what `base` does. */
  over(base: ServeHooks): ServeHooks {
    if (this.isEmpty) return base;
    const { connected, disconnected, subscribed } = this.#tellers;
    return {
      ...base,
      connected: (...args) => (connected(...args), base.connected?.(...args)),
      disconnected: (...args) => (disconnected(...args), base.disconnected?.(...args)),
      subscribed: (...args) => (subscribed(...args), base.subscribed?.(...args)),
    };
  }

  /** Events of this server are heard from now on, and what hooks call is done with it; the file of the hooks is watched. */
  attach(server: Server): void {
    this.#server = server;
    this.#attachTaps();
    this.#hooks?.attach(server, () => this.#attachTaps());
    if (this.#hooks === undefined) return;
    const { file } = this.#hooks;
    void import("./watch_files.ts").then(({ watchFiles }) => {
      if (this.#server !== undefined) this.#stop = watchFiles([file], () => void this.reload());
    });
  }

  /** Runs the file of hooks again. */
  async reload(): Promise<void> {
    await this.#hooks?.reload();
  }

  /** Nothing is heard any more; hooks and webhook that are not those of `next` end. */
  async close(next?: RuleSet): Promise<void> {
    this.#detach();
    const { hooks, webhook } = this.parts;
    const kept = next?.parts;
    await Promise.all([
      hooks === kept?.hooks ? undefined : hooks?.close(),
      webhook === kept?.webhook ? undefined : webhook?.close(),
    ]);
  }

  private get parts(): { hooks: HookRunner | undefined; webhook: Webhook | undefined; given: string } {
    return { hooks: this.#hooks, webhook: this.#webhook, given: this.#given };
  }

  get #listeners(): readonly Listener[] {
    return [this.#hooks, this.#webhook].filter((one) => one !== undefined);
  }

  #attachTaps(): void {
    const server = this.#server;
    if (server === undefined) return;
    for (const tap of this.#taps.splice(0)) server.untap(tap);
    for (const { taps } of this.#listeners) {
      for (const { filter, received } of taps) this.#taps.push(server.tap(filter, received));
    }
  }

  #detach(): void {
    this.#stop();
    for (const tap of this.#taps.splice(0)) this.#server?.untap(tap);
    this.#server = undefined;
  }
}

/** The hooks of before if they are the same. */
async function openHooks(
  settings: RuleSettings,
  log: Log,
  before: HookRunner | undefined,
): Promise<HookRunner | undefined> {
  const { hooks: file } = settings;
  if (file === undefined) return undefined;
  const options = runnerOptions(file, settings, log);
  if (before?.file === file && JSON.stringify(before.numbers) === JSON.stringify(options.numbers)) {
    return before;
  }
  const { HookRunner } = await import("../rules/hook_runner.ts");
  try {
    return await HookRunner.open(options);
  } catch (error) {
    throw new CallError(`--hooks ${file}: ${(error as Error).message}`);
  }
}

/** @throws {CallError} for a file that cannot be read. */
function runnerOptions(file: string, { hookLimits }: RuleSettings, log: Log): HookRunnerOptions {
  try {
    readFileSync(file);
  } catch (error) {
    throw new CallError(`--hooks ${file}: ${fileTrouble(error)}`);
  }
  const own = new URL(import.meta.url);
  const isBundled = !/\/cli\/rule_set\.[jt]s$/.test(own.pathname);
  return { file, numbers: numbersOf(HOOK_NUMBERS, hookLimits), log, ...isBundled && { worker: own } };
}

/** What a webhook is made of, its secret read. */
type Given = Omit<WebhookOptions, "log"> | undefined;

/** @throws {CallError} for a secret that cannot be read, and settings without a URL. */
function webhookOf({ webhook }: RuleSettings): Given {
  const { url, events = WEBHOOK_DEFAULTS.events, topics, secretFile, payload = "text", ...numbers } = webhook;
  if (url === undefined) {
    const [name] = Object.keys(webhook);
    if (name === undefined) return undefined;
    throw new CallError(`webhook.${kebab(name)} is set, and webhook.url is not: where do events go?`);
  }
  const kinds = [...events, ...topics !== undefined && !events.includes("publish") ? ["publish"] : []];
  return {
    url,
    events: kinds as EventKind[],
    topics: topics ?? ["#"],
    secret: secretOf(secretFile),
    payload,
    numbers: numbersOf(WEBHOOK_NUMBERS, numbers),
  };
}

function secretOf(file: string | undefined): string | undefined {
  const variable = environment(SECRET_VARIABLE);
  if (file === undefined) return variable === "" ? undefined : variable;
  try {
    const secret = readFileSync(file, "utf8").trim();
    if (secret !== "") return secret;
  } catch (error) {
    throw new CallError(`webhook.secret-file: ${file}: ${fileTrouble(error)}`);
  }
  throw new CallError(`webhook.secret-file: ${file}: it is empty`);
}

async function makeWebhook(given: Given, log: Log): Promise<Webhook | undefined> {
  if (given === undefined) return undefined;
  const { Webhook, webhookUrl } = await import("../rules/webhook.ts");
  try {
    const { protocol, hostname, origin } = webhookUrl(given.url);
    const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
    const made = new Webhook({ ...given, log });
    if (protocol === "http:" && !isHere) log.warn("the webhook is not encrypted", { to: origin });
    return made;
  } catch (error) {
    if (error instanceof UsageError) throw new CallError(`webhook: ${error.message}`);
    throw error;
  }
}
