/**
 * Photographs of every view: in two browsers, light, dark, and on a phone. They are for people to look at.
 * Knows sizes and names of files; refuses to know the views.
 * @module
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { closeBrowsers, type Engine, launch, missingEngine } from "../../src/testing/browsers.ts";
import { pathOf } from "../lib/tree.ts";
import { Person } from "./person.ts";
import { Scene } from "./scene.ts";
import { LOGIN, SIGHTS } from "./views.ts";

const FOLDER = "dist/page_shots";
const LOOKS = [
  { name: "light", scheme: "light", width: 1280, height: 900 },
  { name: "dark", scheme: "dark", width: 1280, height: 900 },
  { name: "phone", scheme: "light", width: 360, height: 740 },
] as const;

/** Makes them; gives how many there are. `only` names views. */
export async function takeShots(
  only: readonly string[] | undefined,
  engines: readonly Engine[],
): Promise<number> {
  const scene = await Scene.start();
  let shots = 0;
  try {
    await scene.fill();
    scene.liven();
    if (only === undefined) rmSync(pathOf(FOLDER), { recursive: true, force: true });
    mkdirSync(pathOf(FOLDER), { recursive: true });
    for (const engine of engines) {
      const missing = missingEngine(engine);
      if (missing !== undefined) {
        console.log(missing);
        continue;
      }
      const browser = await launch(engine);
      for (const { name: look, scheme, width, height } of LOOKS) {
        const tab = await browser.open(`${scene.origin}/`);
        const person = new Person(tab);
        const take = async (name: string): Promise<void> => {
          const wide = await person.isTooWide() ? " (wider than the screen)" : "";
          writeFileSync(pathOf(`${FOLDER}/${name}-${engine}-${look}.png`), await person.photographs());
          console.log(`${FOLDER}/${name}-${engine}-${look}.png${wide}`);
          shots++;
        };
        await tab.resize(width, height);
        await LOGIN.show(person);
        await person.prefers(scheme);
        if (only === undefined || only.includes(LOGIN.name)) await take(LOGIN.name);
        await person.writes("Token", scene.token());
        await person.presses("Use this token");
        await person.sees("Overview");
        await new Promise((resolve) => setTimeout(resolve, 9_000)); // some points for the lines
        for (const { name, show } of SIGHTS) {
          if (only !== undefined && !only.includes(name)) continue;
          await show(person);
          await take(name);
        }
        await person.keys("Escape");
        await person.presses("Sign out");
        await tab.close();
      }
      await browser.close();
    }
  } finally {
    await closeBrowsers();
    await scene.close();
  }
  return shots;
}
