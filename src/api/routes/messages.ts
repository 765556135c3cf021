/**
 * Messages: retained ones, and one that the Server publishes.
 * Knows what is asked of them; refuses to know how they are kept and delivered.
 * @module
 */
import { Buffer } from "node:buffer";
import type { MessageInit, QoS } from "../../broker/mod.ts";
import { UsageError } from "../../codec/error.ts";
import { parseFilter } from "../../topic/filter.ts";
import { ApiError } from "../error.ts";
import {
  askOf,
  type Call,
  found,
  inspectorOf,
  type Operation,
  paged,
  PAGING,
  serverOf,
} from "../operation.ts";
import { shownPayload } from "../payload.ts";
import { flag, integer, list, object, oneOf, page, text } from "../schema.ts";
import { RETAINED, RETAINED_MESSAGE } from "../views.ts";

/** @throws {ApiError} for what is no Topic Filter, or a shared one. */
function checkedFilter(filter: string): string {
  const parsed = parseFilter(filter);
  if (typeof parsed !== "string" && parsed.share === undefined) return filter;
  throw new ApiError(
    "bad-request",
    `filter is ${JSON.stringify(filter.slice(0, 200))}; it takes a Topic Filter that is not shared`,
  );
}

/** @throws {ApiError} for what is no base64. */
function bytesOf(name: string, base64: string): Uint8Array {
  if (/^(?:[\w+/-]{4})*(?:[\w+/-]{2,3}={0,2})?$/.test(base64)) {
    return new Uint8Array(Buffer.from(base64, "base64"));
  }
  throw new ApiError("bad-request", `${name} is no base64`);
}

function retainedOf(call: Call) {
  const topic = call.given["topic"] as string;
  const message = inspectorOf(call).retainedMessage(topic, call.now);
  return found(message, `There is no retained message of ${JSON.stringify(topic)}`);
}

/** What a body of `publish` has. */
interface Published {
  readonly topic: string;
  readonly payload?: string;
  readonly payloadBase64?: string;
  readonly qos?: QoS;
  readonly retain?: boolean;
  readonly properties?: Omit<NonNullable<MessageInit["properties"]>, "correlationData"> & {
    readonly correlationDataBase64?: string;
  };
}

/** @throws {ApiError} */
function messageOf({ topic, payload, payloadBase64, properties = {}, ...flags }: Published): MessageInit {
  if (payload !== undefined && payloadBase64 !== undefined) {
    throw new ApiError("bad-request", "The body has payload and payloadBase64: it takes one of them");
  }
  const { correlationDataBase64, ...rest } = properties;
  const correlationData = correlationDataBase64 && bytesOf("correlationDataBase64", correlationDataBase64);
  return {
    topic,
    payload: payloadBase64 === undefined ? payload ?? "" : bytesOf("payloadBase64", payloadBase64),
    ...flags,
    properties: { ...rest, ...correlationData && { correlationData } },
  };
}

const PROPERTIES = object({
  payloadFormatIndicator: oneOf([0, 1]),
  messageExpiryInterval: integer("s", { maximum: 0xffff_ffff }),
  contentType: text(),
  responseTopic: text(),
  correlationDataBase64: text(undefined, { format: "byte" }),
  userProperties: list(list(text()), "pairs of a name and a value"),
}, [
  "payloadFormatIndicator",
  "messageExpiryInterval",
  "contentType",
  "responseTopic",
  "correlationDataBase64",
  "userProperties",
]);

/** Messages. */
export const messageOperations: readonly Operation[] = [
  {
    method: "get",
    path: "/retained",
    id: "retained",
    among: "any list",
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
    among: "any",
    about: "The retained message of one topic; a / in it is written %2F",
    answer: RETAINED_MESSAGE,
    run(call) {
      const { payload, ...view } = retainedOf(call);
      return { ...view, ...shownPayload(payload) };
    },
  },
  {
    method: "delete",
    path: "/retained/{topic}",
    id: "clearRetained",
    among: "any",
    about:
      "Removes the retained message of one topic, as an empty one does that a Client publishes: subscribers get that",
    run(call) {
      const { topic } = retainedOf(call);
      serverOf(call).publish({ topic, payload: "", retain: true });
    },
  },
  {
    method: "post",
    path: "/publish",
    id: "publish",
    among: "merged",
    about: "Publishes a message as the Server itself: permissions do not count",
    body: object({
      topic: text("topics with a $ in front are allowed", { minLength: 1, maxLength: 65_535 }),
      payload: text("a text, sent as UTF-8"),
      payloadBase64: text("or bytes", { format: "byte" }),
      qos: oneOf([0, 1, 2]),
      retain: flag(),
      properties: PROPERTIES,
    }, ["payload", "payloadBase64", "qos", "retain", "properties"]),
    answer: object({ matched: integer("sessions and groups with a subscription to the topic") }),
    run(call) {
      const { publish, inspector } = serverOf(call);
      const message = messageOf(call.body as Published);
      try {
        publish(message);
      } catch (error) {
        throw error instanceof UsageError ? new ApiError("bad-request", error.message) : error;
      }
      const { sessions, groups } = inspector.receivers(message.topic);
      return { matched: sessions + groups };
    },
  },
];
