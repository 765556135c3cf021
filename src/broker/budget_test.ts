/** A turn's steps are bounded, and who is over waits in the order of coming. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Budget, INPUT_STEPS, type Postponed, TURN_STEPS } from "./budget.ts";

/** Work that takes so many steps whenever it goes on, and notes its name. */
function work(budget: Budget, log: string[], name: string, steps: number, times = 1): Postponed {
  return {
    debt: 0,
    isPostponed: false,
    goOn() {
      log.push(name);
      budget.spend(steps);
      if (--times > 0) budget.postpone(this);
    },
  };
}

describe("the budget of a turn", () => {
  test("an input is spent when it has taken its share, and the next input has one of its own", () => {
    const budget = new Budget();
    assertEquals(budget.begin(), true);
    budget.spend(INPUT_STEPS - 1);
    assertEquals(budget.isSpent, false);
    budget.spend(1);
    assertEquals([budget.isSpent, budget.isTurnSpent], [true, false]);
    assertEquals([budget.begin(), budget.isSpent], [true, false]);
  });

  test("an input has to wait when the turn has taken its share, until the turn is over", () => {
    const budget = new Budget();
    budget.spend(TURN_STEPS);
    assertEquals([budget.begin(), budget.isTurnSpent], [false, true]);
    budget.endTurn();
    assertEquals([budget.begin(), budget.isTurnSpent], [true, false]);
  });

  test("bytes count too", () => {
    const budget = new Budget();
    budget.begin();
    budget.spendBytes(256 * (INPUT_STEPS - 1) + 1);
    assertEquals(budget.isSpent, true);
  });

  test("what waits goes on in the order in which it came, as far as the turn reaches", () => {
    const budget = new Budget();
    const log: string[] = [];
    for (const name of ["a", "b", "c"]) budget.postpone(work(budget, log, name, TURN_STEPS / 2, 2));
    budget.goOn();
    assertEquals([log, budget.waiting], [["a", "b"], 3]);
    budget.endTurn();
    budget.goOn();
    assertEquals([log, budget.waiting], [["a", "b", "c", "a"], 2]);
    budget.endTurn();
    budget.goOn();
    assertEquals([log, budget.waiting], [["a", "b", "c", "a", "b", "c"], 0]);
  });

  test("who took more than a share waits longer, but only if there is other work", () => {
    const budget = new Budget();
    const log: string[] = [];
    budget.begin();
    budget.spend(4 * INPUT_STEPS);
    budget.postpone(work(budget, log, "greedy", 1));
    budget.endTurn();
    budget.begin();
    for (const name of ["b", "c"]) budget.postpone(work(budget, log, name, 1, 2));
    budget.goOn();
    assertEquals(log, ["b", "c", "b", "c", "greedy"]);
  });

  test("is in the queue once", () => {
    const budget = new Budget();
    const log: string[] = [];
    const one = work(budget, log, "a", 1);
    budget.postpone(one);
    budget.postpone(one);
    assertEquals(budget.waiting, 1);
  });

  test("an exhausted input is spent, and owes nothing", () => {
    const budget = new Budget();
    const log: string[] = [];
    budget.begin();
    budget.spend(5);
    budget.exhaust();
    assertEquals(budget.isSpent, true);
    const one = work(budget, log, "a", 1);
    budget.postpone(one);
    assertEquals(one.debt, 0);
  });
});
