/**
 * Light or dark: as the system is, or as a person wants it here.
 * Knows where the choice is kept; refuses to know colours.
 * @module
 */
import { Store } from "./store.ts";

/** `system` follows the system. */
export type Theme = "system" | "light" | "dark";

const KEY = "plumb-theme";
const stored = localStorage.getItem(KEY);

/** The choice. */
export const theme: Store<Theme> = new Store<Theme>(
  stored === "light" || stored === "dark" ? stored : "system",
);

function apply(): void {
  const { value } = theme;
  if (value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = value;
}

apply();
theme.follow(() => {
  localStorage.setItem(KEY, theme.value);
  apply();
});
