/**
 * Topics and subscriptions, of all sessions together.
 * Knows what is asked of them; refuses to know how they are found.
 * @module
 */
import { isTopicName } from "../../topic/name.ts";
import { TOPICS_COUNTED_MAX } from "../../broker/mod.ts";
import { ApiError } from "../error.ts";
import { askOf, inspectorOf, type Operation, paged, PAGING } from "../operation.ts";
import { page, text } from "../schema.ts";
import { SUBSCRIPTION, TOPIC_LEVEL } from "../views.ts";

/** The longest topic or filter: bytes of a string on the wire. */
const TEXT_MAX = { minLength: 1, maxLength: 65_535 } as const;

/** @throws {ApiError} for what is no Topic Name. */
export function checkedTopic(name: string, topic: string): string {
  if (isTopicName(topic)) return topic;
  throw new ApiError(
    "bad-request",
    `${name} is ${JSON.stringify(topic.slice(0, 200))}; it takes a Topic Name, without wildcards`,
  );
}

/** Topics and subscriptions. */
export const topicOperations: readonly Operation[] = [
  {
    method: "get",
    path: "/subscriptions",
    id: "subscriptions",
    among: "parts",
    about: "Subscriptions of all sessions; with topic those that a message of this topic goes to",
    query: {
      ...PAGING,
      topic: text(
        "a Topic Name: those that match it; of a shared one all members, of which one gets a message",
        TEXT_MAX,
      ),
      filter: text("this Topic Filter, $share/… included", TEXT_MAX),
      search: text("in the Topic Filter or the Client Identifier", { maxLength: 1_000 }),
    },
    answer: page(SUBSCRIPTION),
    run(call) {
      const { topic, filter, search } = call.given as { topic?: string; filter?: string; search?: string };
      const inspector = inspectorOf(call);
      if (topic === undefined) {
        return paged(inspector.subscriptions(askOf(call), call.now, { filter, search }));
      }
      if (filter === undefined && search === undefined) {
        return paged(inspector.subscribers(askOf(call), call.now, checkedTopic("topic", topic)));
      }
      throw new ApiError("bad-request", "topic goes alone, without filter and search");
    },
  },
  {
    method: "get",
    path: "/topics",
    id: "topics",
    among: "merged",
    about:
      `One level of the tree of topics: those with a retained message, and those that were used lately. Topics below are counted up to ${TOPICS_COUNTED_MAX}`,
    query: {
      ...PAGING,
      under: text("the levels above: a/b for what is below a/b; without it the first level", {
        maxLength: 65_535,
      }),
    },
    answer: page(TOPIC_LEVEL),
    run(call) {
      const { under } = call.given as { under?: string };
      return paged(inspectorOf(call).topics(askOf(call), call.now, under));
    },
  },
];
