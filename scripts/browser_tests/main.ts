/**
 * The one program of the browser tests: the page, a frame of it, or a worker.
 * Knows where it runs; refuses to know what it does there.
 * @module
 */
import "./page/disposal.ts";
import { isPage, world } from "./page/dom.ts";

if (!isPage) (await import("./page/worker.ts")).beginWorker();
else if (world.location.hash === "#frame") (await import("./sections/inside.ts")).beginFrame();
else (await import("./page/page.ts")).beginPage();
