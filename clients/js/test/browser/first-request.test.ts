import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { Site } from "./site.js";

const output: string = join(import.meta.dirname, "../../test-output");
const measured: Record<string, number> = {};

let site: Site;
let browser: Browser;
let context: BrowserContext;
let page: Page;

beforeAll(async () => {
  await mkdir(output, { recursive: true });
  site = await Site.start(inject("binary"), inject("postgres"));
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
  await writeFile(join(output, "measured.json"), `${JSON.stringify(measured, null, 2)}\n`);
});

beforeEach(async () => {
  context = await browser.newContext({ viewport: { width: 820, height: 520 }, deviceScaleFactor: 2 });
  page = await context.newPage();
});

afterEach(async () => {
  await context.close();
});

/** Signs a new user up, whose first request is for the page. */
async function signUp(path: string): Promise<void> {
  await page.goto(site.app);
  await page
    .locator("form", { has: page.locator(`input[value="${path}"]`) })
    .getByRole("button")
    .click();
  await page.waitForURL(`${site.app}/${path}`);
}

/** Waits for the card in one state. */
async function card(state: string): Promise<void> {
  await page.locator(`.card[data-state="${state}"]`).waitFor();
}

/** The address in the row that the page shows. */
async function shownEmail(): Promise<string> {
  await card("ready");
  return (await page.locator("dl div", { hasText: "email" }).locator("dd").textContent()) ?? "";
}

async function marker(): Promise<string | undefined> {
  return (await context.cookies()).find(({ name }) => name === "__rollcall")?.value;
}

/** A request without a browser. */
async function get(path: string, cookie: string): Promise<Response> {
  return fetch(`${site.app}/${path}`, { headers: { cookie }, redirect: "manual" });
}

for (const path of ["by-middleware", "by-layout", "by-hook"]) {
  test(`a user whose webhook was lost has a row with the first request: ${path}`, async () => {
    const before = await site.rollcall.calls();
    const began = performance.now();
    await signUp(path);
    const email = await shownEmail();
    measured[`${path}: sign-up to the row on the page, ms`] = Math.round(performance.now() - began);
    expect(await site.table.rows("email", email)).toBe(1);
    expect((await site.rollcall.calls()).created).toBe((before.created ?? 0) + 1);
  });
}

test("a hundred parallel first requests make one row, and few calls", async () => {
  const { id, email } = await site.clerk.createUser();
  const cookie = await site.clerk.cookies(id);
  const before = await site.rollcall.calls();
  const began = performance.now();
  const pages = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const response = await get("by-middleware", cookie);
      return { status: response.status, text: await response.text() };
    }),
  );
  measured["a hundred parallel first requests, ms"] = Math.round(performance.now() - began);
  expect(pages.filter(({ status, text }) => status === 200 && text.includes(email))).toHaveLength(100);
  expect(await site.table.rows("clerkId", id)).toBe(1);
  const after = await site.rollcall.calls();
  const total = (calls: Record<string, number>) => Object.values(calls).reduce((sum, count) => sum + count, 0);
  measured["a hundred parallel first requests, calls of Rollcall"] = total(after) - total(before);
  expect(after.created).toBe((before.created ?? 0) + 1);
  expect(total(after) - total(before)).toBeLessThanOrEqual(5);
});

test("with the marker nobody is asked again", async () => {
  await signUp("by-middleware");
  await card("ready");
  const before = await site.rollcall.calls();
  const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
  const began = performance.now();
  for (let i = 0; i < 50; i++) {
    const response = await get("by-middleware", cookie);
    expect(response.status).toBe(200);
    expect(response.headers.getSetCookie().join()).not.toContain("__rollcall");
    await response.text();
  }
  measured["a request with the marker, the whole page, ms"] = (performance.now() - began) / 50;
  expect(await site.rollcall.calls()).toEqual(before);
});

test("the marker of one user does not serve another", async () => {
  await signUp("by-middleware");
  await card("ready");
  const ada = await marker();
  expect(ada).toBeDefined();
  const { id, email } = await site.clerk.createUser();
  const response = await get("by-middleware", `${await site.clerk.cookies(id)}; __rollcall=${ada}`);
  expect(await response.text()).toContain(email);
  expect(await site.table.rows("clerkId", id)).toBe(1);
  const own = /__rollcall=([^;]+)/.exec(response.headers.getSetCookie().join("\n"))?.[1];
  expect(own).toBeDefined();
  expect(own).not.toBe(ada);
});

test("signing out forgets the marker", async () => {
  await signUp("by-middleware");
  await card("ready");
  expect(await marker()).toBeDefined();
  await page.goto(site.app);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("Signed in as").waitFor({ state: "detached" });
  expect(await marker()).toBeUndefined();
});

test("while Rollcall is down the page answers, and a later request heals", async () => {
  await site.rollcall.stop();
  const began = performance.now();
  await signUp("by-middleware");
  await card("missing");
  measured["Rollcall down: sign-up to the page without a row, ms"] = Math.round(performance.now() - began);
  expect(site.log).toContain("was not ensured: network");
  await site.rollcall.start();
  const up = performance.now();
  await expect
    .poll(() => page.reload().then(() => page.locator(".card").getAttribute("data-state")), { timeout: 30_000 })
    .toBe("ready");
  measured["Rollcall up again: to the row on a later request, ms"] = Math.round(performance.now() - up);
  expect(await site.table.rows("email", await shownEmail())).toBe(1);
});

test("the hook tells its three states, and tries again", async () => {
  const shoot = (name: string) => page.screenshot({ path: join(output, `hook-${name}.png`), animations: "disabled" });
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await page.route("**/api/rollcall", async (route) => {
    await held;
    await route.continue();
  });
  await signUp("by-hook");
  await card("loading");
  await shoot("loading");
  release();
  await card("ready");
  await shoot("ready");

  await site.rollcall.stop();
  await signUp("by-hook");
  await card("error");
  await page.getByText("Setting up your account is taking longer than usual.").waitFor();
  await shoot("error");
  await site.rollcall.start();
  await page.getByRole("button", { name: "Try again" }).click();
  expect(await site.table.rows("email", await shownEmail())).toBe(1);
});
