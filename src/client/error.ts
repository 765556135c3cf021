/**
 * What can go wrong for the user of a Client, one class for each kind.
 * Knows codes and rules; refuses to know their names in words, which `explain()` has: a bundle without it is smaller.
 * @module
 */
import type { PeerError, Rule } from "../codec/error.ts";

/** Anything that a Client tells as an error, but for mistakes of its caller (`UsageError`). */
export class MqttError extends Error {
  /** As it stands in logs. */
  override readonly name: string = "MqttError";
  /** What sort of error it is, for a `switch`. */
  readonly kind: string = "mqtt";

  /** `cause`: what was below it. */
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** §2.4 CONNACK, SUBACK, UNSUBACK, PUBACK, PUBREC, DISCONNECT or AUTH of the Server says no. */
export class RefusedError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "RefusedError";
  /** Always "refused". */
  override readonly kind = "refused";
  /** The packet that says so: `PUBACK`. */
  readonly packet: string;
  /** §2.4; below level 5 the return code of CONNACK, or 0x80. */
  readonly reasonCode: number;
  /** The Server's words, if it has any. */
  readonly reasonString: string | undefined;
  /** §4.11 another Server to use. */
  readonly serverReference: string | undefined;
  /** The Topic Filter that SUBACK or UNSUBACK refuses. */
  readonly filter: string | undefined;

  /** Of one packet. */
  constructor(
    packet: string,
    reasonCode: number,
    reasonString?: string,
    serverReference?: string,
    filter?: string,
  ) {
    super(`${packet} 0x${hex(reasonCode)}${reasonString === undefined ? "" : `: ${reasonString}`}`);
    this.packet = packet;
    this.reasonCode = reasonCode;
    this.reasonString = reasonString;
    this.serverReference = serverReference;
    this.filter = filter;
  }
}

/** What the Server does not support, by its CONNACK: nothing was sent. */
export class UnsupportedError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "UnsupportedError";
  /** Always "unsupported". */
  override readonly kind = "unsupported";
  /** The statement that forbids it. */
  readonly rule: Rule;

  /** `what` is not supported. */
  constructor(rule: Rule, what: string) {
    super(`${what} [${rule}]`);
    this.rule = rule;
  }
}

/** The Server broke the standard. */
export class ServerError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "ServerError";
  /** Always "server". */
  override readonly kind = "server";
  /** The statement that it broke. */
  readonly rule: Rule;
  /** §2.4 what it was told. */
  readonly reasonCode: number;

  /** Of what codec and engine found. */
  constructor(fault: PeerError) {
    super(fault.message === fault.rule ? fault.rule : `${fault.rule}: ${fault.message}`, fault);
    this.rule = fault.rule;
    this.reasonCode = fault.code;
  }
}

/** The connection could not be opened, or was lost. */
export class ConnectionError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "ConnectionError";
  /** Always "connection". */
  override readonly kind = "connection";
}

/** Something did not come in time. */
export class TimeoutError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "TimeoutError";
  /** Always "timeout". */
  override readonly kind = "timeout";
}

/** There is no connection, and the message was not to wait for one. */
export class OfflineError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "OfflineError";
  /** Always "offline". */
  override readonly kind = "offline";
}

/** As many messages wait as may. */
export class QueueFullError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "QueueFullError";
  /** Always "queueFull". */
  override readonly kind = "queueFull";
}

/** The Client is closed. */
export class ClosedError extends MqttError {
  /** As it stands in logs. */
  override readonly name = "ClosedError";
  /** Always "closed". */
  override readonly kind = "closed";
}

/** Any of them, told apart by `kind`. */
export type ClientError =
  | RefusedError
  | UnsupportedError
  | ServerError
  | ConnectionError
  | TimeoutError
  | OfflineError
  | QueueFullError
  | ClosedError;

function hex(code: number): string {
  return code.toString(16).padStart(2, "0");
}
