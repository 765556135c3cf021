/**
 * QuickJS in WebAssembly, with the language and nothing else.
 * Knows its module, its memory and its jobs; refuses to know what runs in it.
 * @module
 */
import variant from "@jitl/quickjs-singlefile-mjs-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  type QuickJSContext,
  type QuickJSRuntime,
} from "quickjs-emscripten-core";

/** Globals of the Web and of runtimes, none of which is there. */
const ABSENT = [
  "TextEncoder",
  "TextDecoder",
  "URL",
  "AbortController",
  "Blob",
  "console",
  "crypto",
  "fetch",
  "performance",
  "process",
  "queueMicrotask",
  "setImmediate",
  "setTimeout",
  "structuredClone",
  "WebSocket",
];

const STACK_BYTES = 512 * 1024;

/** One engine with one script in it, in a memory of its own, which goes with it. */
export class QuickJs {
  readonly #runtime: QuickJSRuntime;
  readonly #context: QuickJSContext;

  private constructor(runtime: QuickJSRuntime) {
    this.#runtime = runtime;
    this.#context = runtime.newContext();
  }

  /** Loads a script; throws what it throws, and if the engine is not as bare as it should be. */
  static async open(script: string): Promise<QuickJs> {
    const module = await newQuickJSWASMModuleFromVariant(variant);
    const runtime = module.newRuntime();
    runtime.setMaxStackSize(STACK_BYTES);
    const engine = new QuickJs(runtime);
    const there = engine.evaluate(`${JSON.stringify(ABSENT)}.filter((name) => name in globalThis).join()`);
    if (there !== "") throw new Error(`QuickJS has ${there}`);
    engine.evaluate(script);
    return engine;
  }

  /** What an expression gives, as text; a promise is waited for, as far as the engine can settle it by itself. */
  evaluate(code: string): string {
    const result = this.#context.unwrapResult(this.#context.evalCode(code));
    try {
      this.#context.unwrapResult(this.#runtime.executePendingJobs());
      const state = this.#context.getPromiseState(result);
      if (state.type === "pending") throw new Error("Nothing settles this promise");
      if (state.type === "rejected") {
        throw new Error(state.error.consume((error) => JSON.stringify(this.#context.dump(error))));
      }
      const text = this.#context.getString(state.value);
      if (!state.notAPromise) state.value.dispose();
      return text;
    } finally {
      result.dispose();
    }
  }

  /** Bytes that the engine has got from its allocator for what lives in it. */
  get memoryBytes(): number {
    return this.#runtime.computeMemoryUsage().consume((handle) => {
      const { memory_used_size: bytes } = this.#context.dump(handle);
      return bytes as number;
    });
  }
}
