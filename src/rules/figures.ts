/**
 * Figures of hooks and webhook.
 * Knows what is counted; refuses to know who shows it.
 * @module
 */

/** Figures of the hooks of a file, since the start. */
export interface HookFigures {
  /** Events that wait, and those of the present batch. */
  readonly waiting: number;
  /** Events that hooks were called with. */
  readonly called: number;
  /** Events that found no room. */
  readonly dropped: number;
  /** Events that were in the thread when it ended. */
  readonly lost: number;
  /** Exceptions, promises that were rejected or not settled in time, computations that took too long. */
  readonly faults: number;
  /** How long hooks have computed, s. */
  readonly seconds: number;
  /** Calls of hooks: publish(), disconnect(). */
  readonly calls: number;
  /** How often their thread was begun anew after it had ended. */
  readonly restarts: number;
  readonly isRunning: boolean;
}

/** Figures of the webhook, since the start. */
export interface WebhookFigures {
  /** Events that wait, and those of the present request. */
  readonly waiting: number;
  /** Events that the service has taken. */
  readonly delivered: number;
  /** Events that found no room, or were left at the end. */
  readonly dropped: number;
  /** Events that the service has refused for good. */
  readonly deadLetters: number;
  /** Requests, among them attempts that failed. */
  readonly requests: number;
  readonly failedRequests: number;
  readonly isFailing: boolean;
}

/** Figures of both; undefined for what is not there. */
export interface RuleFigures {
  readonly hooks: HookFigures | undefined;
  readonly webhook: WebhookFigures | undefined;
}
