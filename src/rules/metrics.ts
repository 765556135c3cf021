/**
 * Figures of hooks and webhook as families of OpenMetrics.
 * Knows names and kinds; refuses to know the format.
 * @module
 */
import type { RuleFigures } from "./figures.ts";

/** A family of metrics with one value. */
export interface RuleFamily {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly unit?: "seconds";
  readonly help: string;
  readonly value: number;
}

function family(kind: RuleFamily["kind"], name: string, value: number, help: string): RuleFamily {
  return { name: `plumb_${name}`, kind, help, value };
}

/** Of what is there. */
export function ruleFamilies({ hooks, webhook }: RuleFigures): RuleFamily[] {
  const families: RuleFamily[] = [];
  if (hooks !== undefined) {
    families.push(
      family("gauge", "hook_running", hooks.isRunning ? 1 : 0, "1 while the thread of the hooks runs."),
      family("gauge", "hook_waiting_events", hooks.waiting, "Events that wait for hooks."),
      family("counter", "hook_events", hooks.called, "Events that hooks were called with."),
      family("counter", "hook_dropped_events", hooks.dropped, "Events that found no room."),
      family(
        "counter",
        "hook_lost_events",
        hooks.lost,
        "Events that were lost with the thread of the hooks.",
      ),
      family("counter", "hook_faults", hooks.faults, "Hooks that threw, were late or slow."),
      family("counter", "hook_calls", hooks.calls, "Calls that hooks made."),
      family("counter", "hook_restarts", hooks.restarts, "How often the thread of the hooks was begun anew."),
      {
        ...family("counter", "hook_seconds", hooks.seconds, "How long hooks have computed."),
        unit: "seconds",
      },
    );
  }
  if (webhook !== undefined) {
    families.push(
      family(
        "gauge",
        "webhook_failing",
        webhook.isFailing ? 1 : 0,
        "1 while the webhook's service does not take events.",
      ),
      family("gauge", "webhook_waiting_events", webhook.waiting, "Events that wait for the webhook."),
      family("counter", "webhook_delivered_events", webhook.delivered, "Events that the service has taken."),
      family("counter", "webhook_dropped_events", webhook.dropped, "Events that found no room."),
      family("counter", "webhook_dead_letters", webhook.deadLetters, "Events that the service has refused."),
      family("counter", "webhook_requests", webhook.requests, "Requests to the service."),
      family("counter", "webhook_failed_requests", webhook.failedRequests, "Requests that failed."),
    );
  }
  return families;
}
