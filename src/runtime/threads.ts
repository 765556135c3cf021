/**
 * What threads of this runtime can do.
 * Knows the runtimes; refuses to know what runs in a thread.
 * @module
 */

/**
 * Whether `terminate()` ends a thread that computes without a break. Deno 2.9 answers that the thread is over, and lets it compute on, for as
 * long as the process lives.
 */
export const ENDS_BUSY_THREADS: boolean = !("Deno" in globalThis);
