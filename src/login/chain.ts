/**
 * §3.1.4, §4.12 Links of a login, asked in order: each accepts, refuses or passes on; if none accepts, the Client is refused.
 * Knows order, time and number of the logins under way; refuses to know how a link decides.
 *
 * The refusal depends on nothing but the kind of the request: with a user name, a password or nothing that no link takes, it is the
 * same. A link that takes time holds back its own Client only.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { AuthenticationRequest, PolicyOptions, Verdict } from "../broker/mod.ts";
import { UsageError } from "../codec/error.ts";
import { type Attempt, FailedLogins, type HeldBack } from "./failed_logins.ts";
import {
  ACCEPTED,
  BAD_CREDENTIALS,
  BUSY,
  CONTINUE,
  LATER,
  type LinkAnswer,
  type LinkFunction,
  type LoginEvents,
  type LoginLink,
  NOT_AUTHORIZED,
  TOO_OFTEN,
  UNAVAILABLE,
} from "./link.ts";
import { CHAIN_NUMBERS } from "./numbers.ts";
import { LimitEvents } from "./once_a_minute.ts";
import { numbersOf } from "./options.ts";

/** How a chain works. */
export interface ChainOptions extends Partial<Readonly<Record<keyof typeof CHAIN_NUMBERS, number>>> {
  /** Called when a limit is reached. A refusal has the reasons of the links in `why`, which `BrokerHooks.refused` is told. */
  readonly onEvent?: LoginEvents;
  /** Where failed logins are counted: by chains that have it in common together. */
  readonly failedLogins?: FailedLogins;
}

/** For the policy of a broker or a listener: `serve({ ...loginChain(links) })`. */
export interface LoginChain {
  /** §3.1.4 */
  readonly authenticate: NonNullable<PolicyOptions["authenticate"]>;
  /** §4.12 of all links. */
  readonly authenticationMethods: readonly string[];
  /** Logins that wait at present. */
  readonly waiting: number;
  /** Has all links read their files now. */
  reload(): Promise<void>;
  /** Ends what the links have begun. */
  close(): Promise<void>;
}

const NO_PASSWORD = new Uint8Array();

/** The same for all, whatever holds them back. */
const HELD_BACK: Verdict = { code: TOO_OFTEN, reasonString: "Too many logins have failed, try again later" };

/** An exchange that goes on (§4.12): the link, its own state, and whether the Client was let in before. */
class Exchange {
  readonly link: LoginLink;
  readonly state: unknown;
  readonly isAnew: boolean;

  constructor(link: LoginLink, state: unknown, isAnew: boolean) {
    this.link = link;
    this.state = state;
    this.isAnew = isAnew;
  }
}

/**
 * Makes one authenticator of links.
 * @throws {UsageError} for a number out of range, and for a method that two links know.
 */
export function loginChain(
  links: readonly (LoginLink | LinkFunction)[],
  options: ChainOptions = {},
): LoginChain {
  const named = links.map((link, index): LoginLink =>
    typeof link === "function" ? { name: link.name || `link ${index + 1}`, ask: link } : link
  );
  const methods = named.flatMap(({ methods = [] }) => methods);
  const twice = methods.find((method, index) => methods.indexOf(method) !== index);
  if (twice !== undefined) {
    throw new UsageError(`Two links know the Authentication Method ${JSON.stringify(twice)}`);
  }
  const chain = new Chain(named, options);
  return {
    authenticate: (request) => chain.authenticate(request),
    authenticationMethods: methods,
    get waiting() {
      return chain.waiting;
    },
    reload: async () => void await Promise.all(named.map((link) => link.reload?.())),
    close: async () => void await Promise.all(named.map((link) => link.close?.())),
  };
}

class Chain {
  /** Logins that a link has not answered. */
  waiting = 0;
  readonly #links: readonly LoginLink[];
  readonly #numbers: ReturnType<typeof numbersOf<keyof typeof CHAIN_NUMBERS>>;
  readonly #limits: LimitEvents;
  readonly #failedLogins: FailedLogins;

  constructor(
    links: readonly LoginLink[],
    { onEvent = () => {}, failedLogins = new FailedLogins(), ...numbers }: ChainOptions,
  ) {
    this.#links = links;
    this.#numbers = numbersOf(CHAIN_NUMBERS, numbers);
    this.#limits = new LimitEvents(onEvent);
    this.#failedLogins = failedLogins;
  }

  authenticate(request: AuthenticationRequest): Verdict | Promise<Verdict> {
    const { kind, method, state } = request;
    if (state instanceof Exchange) {
      if (!this.#links.includes(state.link)) {
        return { code: NOT_AUTHORIZED, why: "the links are others by now" };
      }
      return this.#begin(new Run(state.isAnew, [state.link]), { ...request, state: state.state });
    }
    const links = method === undefined
      ? this.#links
      : this.#links.filter(({ methods }) => methods?.includes(method));
    return this.#begin(new Run(kind === "reauthenticate", links), request);
  }

  #begin(run: Run, request: AuthenticationRequest): Verdict | Promise<Verdict> {
    const verdict = this.#run(run, request);
    if (!(verdict instanceof Promise)) return this.#counted(run, verdict);
    return verdict.then((one) => this.#counted(run, one)).finally(() => {
      if (run.isUnderWay) this.#failedLogins.end(run.attempt!);
    });
  }

  /** The verdict, and what it says of guesses. */
  #counted({ attempt, isWrong }: Run, verdict: Verdict): Verdict {
    if (attempt === undefined) return verdict;
    const { code, username = attempt.user } = verdict;
    if (code === ACCEPTED && username === attempt.user) this.#failedLogins.succeeded(attempt, this.#numbers);
    const isRefused = code === BAD_CREDENTIALS || code === NOT_AUTHORIZED;
    if (isRefused && isWrong) this.#failedLogins.failed(attempt, this.#numbers);
    return verdict;
  }

  /** Whether this link is not asked, since logins for the same user or from the same address have failed. */
  #isHeldBack(run: Run, link: LoginLink, request: AuthenticationRequest): boolean {
    const { peer, method, username, password } = request;
    const hasCredentials = method !== undefined || username !== undefined || password !== undefined;
    if (link.unguessable === true || !hasCredentials) return false;
    if (run.heldBack !== undefined) return true;
    if (run.attempt !== undefined) return false;
    const user = method === undefined ? username : link.userOf?.(request) ?? username;
    const secret = method === undefined ? password ?? NO_PASSWORD : undefined;
    const one = this.#failedLogins.attempt(peer.address, user, secret, this.#numbers);
    if ("counts" in one) {
      run.attempt = one;
      return false;
    }
    run.heldBack = one;
    const { limit, ms } = one;
    run.whys.push(`${limit}: not tried${ms > 0 ? ` before ${Math.ceil(ms / 1000)} s have passed` : ""}`);
    this.#limits.reached(limit, { who: peer.address, user }, this.#failedLogins.now);
    return true;
  }

  /** Goes on as long as links answer at once. */
  #run(run: Run, request: AuthenticationRequest): Verdict | Promise<Verdict> {
    for (let link = run.next(); link !== undefined; link = run.next()) {
      if (this.#isHeldBack(run, link, request)) continue;
      const isFull = !run.isWaiting && this.waiting >= this.#numbers.loginsWaitingMax;
      if (isFull && link.atOnce === undefined) return this.#full(request);
      const answer = isFull ? link.atOnce!(request) : link.ask(request);
      if (answer === LATER) return this.#full(request);
      if (answer instanceof Promise) {
        if (run.attempt !== undefined && !run.isUnderWay) {
          run.isUnderWay = true;
          this.#failedLogins.begin(run.attempt, this.#numbers);
        }
        return run.isWaiting
          ? answer.then((one) => this.#decide(run, request, one))
          : this.#wait(run, request, answer);
      }
      const verdict = this.#verdictOf(run, request, answer);
      if (verdict !== undefined) return verdict;
    }
    return refused(request, run, run.heldBack && HELD_BACK);
  }

  #decide(run: Run, request: AuthenticationRequest, answer: LinkAnswer): Verdict | Promise<Verdict> {
    return this.#verdictOf(run, request, answer) ?? this.#run(run, request);
  }

  /** Counts the login until it is decided, and bounds its time. */
  #wait(run: Run, request: AuthenticationRequest, answer: Promise<LinkAnswer>): Promise<Verdict> {
    run.isWaiting = true;
    this.waiting++;
    return new Promise<Verdict>((resolve, reject) => {
      const timer = setTimeout(() => {
        run.whys.push(`${run.link!.name}: no answer within loginTimeoutMs`);
        resolve(refused(request, run, { code: UNAVAILABLE }));
        run.end();
      }, this.#numbers.loginTimeoutMs);
      answer.then((one) => this.#decide(run, request, one)).then(resolve, reject)
        .finally(() => clearTimeout(timer));
    }).finally(() => this.waiting--);
  }

  /** Undefined if the link passes on. */
  #verdictOf(run: Run, request: AuthenticationRequest, answer: LinkAnswer): Verdict | undefined {
    const { link, isAnew } = run;
    if (answer === undefined) return undefined;
    run.isWrong ||= link!.unguessable !== true;
    if (typeof answer === "string") {
      run.whys.push(`${link!.name}: ${answer}`);
      return undefined;
    }
    const { code, username } = answer;
    if (code === CONTINUE) return { ...answer, state: new Exchange(link!, answer.state, isAnew) };
    if (code !== ACCEPTED) {
      run.whys.push(`${link!.name}: ${answer.why ?? answer.reasonString ?? "refused"}`);
      return refused(request, run, answer);
    }
    run.isWrong = false;
    if (!isAnew || username === undefined || (username ?? undefined) === request.username) return answer;
    run.whys.push(`${link!.name}: authenticated anew as another user`);
    return refused(request, run);
  }

  #full(request: AuthenticationRequest): Verdict {
    this.#limits.reached("loginsWaitingMax", { who: request.peer.address });
    return { code: BUSY, why: "loginsWaitingMax logins wait" };
  }
}

/** The verdict, or the one that depends on the request alone, with the reasons of the links. */
function refused(
  { method, username, password }: AuthenticationRequest,
  { whys }: Run,
  verdict?: Verdict,
): Verdict {
  const hasCredentials = method === undefined && (username !== undefined || password !== undefined);
  const why = whys.join("; ") || "no link takes it";
  return {
    ...verdict ?? { code: hasCredentials ? BAD_CREDENTIALS : NOT_AUTHORIZED },
    why: method === undefined ? why : `${method}: ${why}`,
  };
}

/** One request on its way from link to link. */
class Run {
  /** §4.12.1 the Client was let in before. */
  readonly isAnew: boolean;
  /** Why links passed on. */
  readonly whys: string[] = [];
  /** The login, as it is counted if it fails. */
  attempt: Attempt | undefined;
  /** It takes time, and may hold back others like it. */
  isUnderWay = false;
  /** Links whose credentials can be guessed are not asked. */
  heldBack: HeldBack | undefined;
  /** Such a link has found it wrong. */
  isWrong = false;
  /** It is counted. */
  isWaiting = false;
  /** The link that is asked. */
  link: LoginLink | undefined;
  #links: readonly LoginLink[];
  #next = 0;

  constructor(isAnew: boolean, links: readonly LoginLink[]) {
    this.isAnew = isAnew;
    this.#links = links;
  }

  next(): LoginLink | undefined {
    return this.link = this.#links[this.#next++];
  }

  /** It is decided: an answer that comes later has no further link asked. */
  end(): void {
    this.#links = [];
  }
}
