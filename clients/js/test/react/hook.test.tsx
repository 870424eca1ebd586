import { act, cleanup, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, describe, expect, it } from "vitest";
import { RollcallProvider, type RollcallProviderProps, useEnsureUser } from "../../src/react.js";
import { bad, fakeEndpoint, good, held, refused } from "../fake.js";

afterEach(cleanup);

function State({ name = "state" }: { name?: string }) {
  const { status, message, retry } = useEnsureUser();
  return (
    <button type="button" data-testid={name} onClick={retry}>
      {status} {message}
    </button>
  );
}

function App({ children = <State />, ...props }: Partial<RollcallProviderProps>) {
  return (
    <StrictMode>
      <RollcallProvider userId="user_ada" {...props}>
        {children}
      </RollcallProvider>
    </StrictMode>
  );
}

const shown = (name = "state") => screen.getByTestId(name).textContent?.trim();

/** Lets what is under way settle. */
const settle = () => act(async () => {});

describe("useEnsureUser", () => {
  it("is loading, then ready", async () => {
    const gate = held(good("created"));
    const calls = fakeEndpoint(gate.answer);
    render(<App />);
    expect(shown()).toBe("loading");
    expect(calls[0]?.url).toBe("/api/rollcall");
    expect(calls[0]?.headers.has("authorization")).toBe(false);
    await act(async () => gate.release());
    await screen.findByText("ready");
  });

  it("asks once for many components, those that come later included", async () => {
    const calls = fakeEndpoint(good());
    const many = Array.from({ length: 50 }, (_, i) => `state-${i}`);
    const { rerender } = render(
      <App>
        {many.map((name) => (
          <State key={name} name={name} />
        ))}
      </App>,
    );
    await settle();
    rerender(
      <App>
        <State key="later" name="later" />
      </App>,
    );
    await settle();
    expect(shown("later")).toBe("ready");
    expect(calls).toHaveLength(1);
  });

  it("tells people what is wrong, and tries again when they say so", async () => {
    const calls = fakeEndpoint(bad(409, "conflict"), good("created"));
    render(<App />);
    await screen.findByText(/^error Another account already uses your e-mail address/);
    await act(async () => screen.getByTestId("state").click());
    await screen.findByText("ready");
    expect(calls.map(({ headers }) => headers.get("x-rollcall-retry"))).toEqual([null, "1"]);
  });

  it("asks once where the route answers that Rollcall is down: that has tried twice", async () => {
    const calls = fakeEndpoint(bad(503, "unavailable"));
    render(<App />);
    await screen.findByText(/^error Setting up your account is taking longer/);
    expect(calls).toHaveLength(1);
  });

  it("asks again where nothing came back", async () => {
    const calls = fakeEndpoint(refused, good());
    render(<App timeout={30} />);
    await screen.findByText("ready");
    expect(calls).toHaveLength(2);
  });

  it("does not ask again by retry when all is well", async () => {
    const calls = fakeEndpoint(good());
    render(<App />);
    await screen.findByText("ready");
    await act(async () => screen.getByTestId("state").click());
    expect(calls).toHaveLength(1);
  });

  it("uses the app's own words", async () => {
    fakeEndpoint(bad(422, "rejected"));
    render(<App messages={{ rejected: "Write to ada@example.com." }} />);
    await screen.findByText("error Write to ada@example.com.");
  });

  it("asks for nobody while nobody is signed in, and for each user who is", async () => {
    const calls = fakeEndpoint(good("present", "user_ada"), good("present", "user_bob"));
    const { rerender } = render(<App userId={null} />);
    await settle();
    expect(calls).toHaveLength(0);
    expect(shown()).toBe("loading");
    rerender(<App userId="user_ada" />);
    await screen.findByText("ready");
    rerender(<App userId="user_bob" />);
    await screen.findByText("ready");
    expect(calls).toHaveLength(2);
  });

  it("does not take an answer about another user for this one's", async () => {
    fakeEndpoint(good("present", "user_bob"));
    render(<App />);
    await screen.findByText(/^error/);
  });

  it("is loading on the server, and asks nobody there", () => {
    const calls = fakeEndpoint(good());
    expect(renderToString(<App />)).toContain("loading");
    expect(calls).toHaveLength(0);
  });

  it("says so where there is no provider", () => {
    expect(() => renderToString(<State />)).toThrow("there is no RollcallProvider");
  });
});
