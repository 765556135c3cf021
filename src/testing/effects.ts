/**
 * What an engine does, in its order, as one number: bytes written, streams ended, facts told to a store, calls settled.
 * Knows how to write down any value so that each JavaScript engine writes the same; refuses to know what is right.
 * @module
 */
import type { SessionKey } from "../broker/mod.ts";
import { PublishView } from "../codec/publish_view.ts";
import type { Transport } from "../transport/transport.ts";

/** Everything that was told, folded: two runs with one digest have done the same. */
export class Effects {
  /** How many effects there were. */
  count = 0;
  /** Told each effect in words, to find the first that differs. */
  trace: ((line: string) => void) | undefined;
  #low = 0x811c_9dc5;
  #high = 0x9e37_79b9;
  #transports = 0;

  /** 64 bits as 16 hexadecimal digits, and the count. */
  get digest(): string {
    const words = [this.#low, this.#high].map((word) => (word >>> 0).toString(16).padStart(8, "0"));
    return `${words.join("")} ${this.count}`;
  }

  /** One effect, with its values. */
  tell(what: string, ...values: readonly unknown[]): void {
    this.count++;
    this.#text(what);
    for (const value of values) this.#value(value);
    this.trace?.(`${this.digest} ${what}`);
  }

  #value(value: unknown): void {
    if (value instanceof Uint8Array) this.#bytes(value);
    else if (value instanceof PublishView) this.#bytes(value.bytes.subarray(value.at, value.end));
    else if (value instanceof Error) this.#text(`${value.name}: ${value.message}`);
    else if (isSessionKey(value)) this.#text(value.clientId);
    else if (typeof value !== "object" || value === null) this.#text(`${typeof value} ${String(value)}`);
    else {
      for (const [key, one] of Object.entries(value)) {
        this.#text(key);
        this.#value(one);
      }
      this.#fold(-1);
    }
  }

  #bytes(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) this.#fold(bytes[i]!);
    this.#fold(-2 - bytes.length);
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#fold(text.charCodeAt(i));
    this.#fold(-2 - text.length);
  }

  /** FNV-1a, and a second word that is fed by the first. */
  #fold(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x0100_0193);
    this.#high = Math.imul(this.#high ^ this.#low >>> 13, 0x85eb_ca6b) + value | 0;
  }

  /** A transport between an engine and `transport` that tells what the engine does with it. */
  transport(transport: Transport): Transport {
    const serial = ++this.#transports;
    return {
      label: transport.label,
      start: (handler) => {
        this.tell("start", serial);
        transport.start(handler);
      },
      write: (chunk) => {
        const taken = transport.write(chunk);
        this.tell("write", serial, chunk, taken);
        return taken;
      },
      pause: () => {
        this.tell("pause", serial);
        transport.pause();
      },
      resume: () => {
        this.tell("resume", serial);
        transport.resume();
      },
      close: () => {
        this.tell("close", serial);
        transport.close();
      },
      abort: () => {
        this.tell("abort", serial);
        transport.abort();
      },
    };
  }

  /** `target`, each of whose methods tells its name and arguments when it is called from outside. */
  calls<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          this.tell(String(name), ...args);
          return Reflect.apply(value, target, args);
        };
      },
    });
  }
}

/** A live session: what else is in it is no fact. */
function isSessionKey(value: unknown): value is SessionKey {
  return typeof value === "object" && value !== null && "storeId" in value;
}
