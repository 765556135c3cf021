/**
 * The Client of the console, which is loaded when it connects for the first time.
 * Knows what of our Client is used; refuses to know what is shown.
 * @module
 */
export { type Client, connect, explain, type Message, type Subscription } from "../client_api/page.ts";
