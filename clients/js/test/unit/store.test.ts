import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { createStore } from "../../src/react/store.js";

it("follows the redirect by which Next.js puts a slash to the route's end", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url?.endsWith("/")) {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ status: "created", user_id: "user_ada" }));
    } else {
      response.writeHead(308, { location: `${request.url}/` }).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const store = createStore("user_ada", { route: `http://127.0.0.1:${port}/api/rollcall`, timeout: 10_000 });
    await new Promise<void>((resolve) => store.subscribe(resolve));
    expect(store.state()).toEqual({ status: "ready" });
    expect(asked).toEqual(["POST /api/rollcall", "POST /api/rollcall/"]);
  } finally {
    server.close();
  }
});
