/**
 * Retained messages.
 * Knows what is asked of them; refuses to know how they are kept.
 * @module
 */
import { parseFilter } from "../../topic/filter.ts";
import { ApiError } from "../error.ts";
import { askOf, found, inspectorOf, type Operation, paged, PAGING } from "../operation.ts";
import { shownPayload } from "../payload.ts";
import { page, text } from "../schema.ts";
import { RETAINED, RETAINED_MESSAGE } from "../views.ts";

/** @throws {ApiError} for what is no Topic Filter, or a shared one. */
export function checkedFilter(filter: string): string {
  const parsed = parseFilter(filter);
  if (typeof parsed !== "string" && parsed.share === undefined) return filter;
  throw new ApiError(
    "bad-request",
    `filter is ${JSON.stringify(filter.slice(0, 200))}; it takes a Topic Filter that is not shared`,
  );
}

/** Retained messages. */
export const retainedOperations: readonly Operation[] = [
  {
    method: "get",
    path: "/retained",
    id: "retained",
    about: "Retained messages, without what is in them",
    query: {
      ...PAGING,
      filter: text("a Topic Filter; # has all but those of topics with a $ in front", {
        default: "#",
        minLength: 1,
        maxLength: 65_535,
      }),
    },
    answer: page(RETAINED),
    run(call) {
      const filter = checkedFilter(call.given["filter"] as string);
      return paged(inspectorOf(call).retained(askOf(call), call.now, filter));
    },
  },
  {
    method: "get",
    path: "/retained/{topic}",
    id: "retainedMessage",
    about: "The retained message of one topic; a / in it is written %2F",
    answer: RETAINED_MESSAGE,
    run(call) {
      const topic = call.given["topic"] as string;
      const message = inspectorOf(call).retainedMessage(topic, call.now);
      const { payload, ...view } = found(message, `There is no retained message of ${JSON.stringify(topic)}`);
      return { ...view, ...shownPayload(payload) };
    },
  },
];
