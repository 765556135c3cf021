/**
 * §5.4.2 The permissions of one Client, as the authorizer answers.
 * Knows the questions that are open; refuses to know the packets that need a permission.
 *
 * An authorizer may take time. Then the link is paused, and the packet that asked is offered again when every answer is there: it asks the
 * same again, and finds the answers.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import type { Observer } from "./observer.ts";
import type { AuthorizationRequest, ClientInfo, ClientPermissions, PolicyOptions } from "./options.ts";
import { checkPermission } from "./owner.ts";
import { isLater } from "./question.ts";
import type { Turn } from "./turn.ts";

/** The authorizer failed. */
const NOT_AUTHORIZED = 0x87;

/** @internal What a connection does with answers that come later. */
export interface PermissionHandler {
  /** Every answer that was waited for has come. */
  permitted(): void;
}

/** Topics that stay the Server's whatever a rule says. */
const OF_THE_SERVER = /^\$(?:SYS|share)(?:\/|$)/;

/** The authorizer and the rules, as one connection asks them. */
export class Permissions {
  readonly #authorize: PolicyOptions["authorize"];
  #source: PolicyOptions["permissions"];
  readonly #turn: Turn;
  readonly #observer: Observer;
  readonly #handler: PermissionHandler;
  /** Answers for the packet that waits; made for the first answer that comes later. */
  #answers: Map<string, ReasonCode> | undefined;
  #waiting = 0;
  /** The Client that `#rights` are of. */
  #client: ClientInfo | undefined;
  #rights: ClientPermissions | undefined;

  constructor(
    { authorize, permissions }: Pick<PolicyOptions, "authorize" | "permissions">,
    turn: Turn,
    observer: Observer,
    handler: PermissionHandler,
  ) {
    this.#authorize = authorize;
    this.#source = permissions;
    this.#turn = turn;
    this.#observer = observer;
    this.#handler = handler;
  }

  /** Whether an answer is waited for. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Whether an owner's function is asked too. */
  get hasAuthorizer(): boolean {
    return this.#authorize !== undefined;
  }

  /** Other rules, or none, from now on; false if they are the same. */
  follow(source: PolicyOptions["permissions"]): boolean {
    if (source === this.#source) return false;
    this.#source = source;
    this.#client = this.#rights = undefined;
    return true;
  }

  /** What rules say of this Client; undefined if there are none. */
  rightsOf(client: ClientInfo): ClientPermissions | undefined {
    if (this.#source !== undefined && this.#client !== client) {
      this.#client = client;
      this.#rights = this.#source.of(client);
    }
    return this.#rights;
  }

  /** Whether rules may open this topic, which begins with `$`, to Clients; without rules all of these are the Server's. */
  mayOpen(topic: string): boolean {
    return this.#source !== undefined && !OF_THE_SERVER.test(topic);
  }

  /** The QoS that rules grant a subscription, or the code of the refusal. */
  granted(client: ClientInfo, filter: string, qos: QoS): ReasonCode {
    return this.rightsOf(client)?.subscribe(filter, qos) ?? qos;
  }

  /** 0x00 or the code of the refusal; undefined if the answer comes later. An error is a no. */
  ask(
    action: AuthorizationRequest["action"],
    client: ClientInfo,
    topic: string,
    qos: QoS,
    retain: boolean,
  ): ReasonCode | undefined {
    if (action === "publish" && this.#source !== undefined) {
      const code = this.rightsOf(client)!.publish(topic, qos, retain);
      if (code !== 0) return code;
    }
    if (this.#authorize === undefined) return 0;
    const known = this.#answers?.get(keyOf(action, topic, qos, retain));
    if (known !== undefined) return known;
    try {
      const answer = this.#authorize({ action, client, topic, qos, retain });
      if (!isLater(answer)) return checkPermission(action, answer);
      this.#wait(keyOf(action, topic, qos, retain), action, answer);
      return undefined;
    } catch (error) {
      this.#observer.failed(error);
      return NOT_AUTHORIZED;
    }
  }

  #wait(key: string, action: AuthorizationRequest["action"], later: PromiseLike<ReasonCode>): void {
    this.#waiting++;
    const decided = (code: ReasonCode): void => {
      (this.#answers ??= new Map()).set(key, code);
      if (--this.#waiting === 0) this.#handler.permitted();
    };
    const rejected = (error: unknown): void => {
      this.#observer.failed(error);
      decided(NOT_AUTHORIZED);
    };
    const answered = (answer: ReasonCode): void => {
      let code: ReasonCode;
      try {
        code = checkPermission(action, answer);
      } catch (error) {
        return rejected(error);
      }
      decided(code);
    };
    this.#turn.ask({ kind: "authorize", later, answered, rejected });
  }

  /** The packet that waited is dealt with. */
  forget(): void {
    this.#answers = undefined;
  }
}

function keyOf(action: string, topic: string, qos: QoS, retain: boolean): string {
  return `${action} ${qos} ${retain} ${topic}`;
}
