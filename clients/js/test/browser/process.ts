import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

interface Options {
  cwd?: string;
  env?: Record<string, string>;
}

/** Runs a command to its end, and throws with all that it wrote where it fails. */
export async function finish(command: string, args: string[], options: Options = {}): Promise<void> {
  const child = new Process(command, args, options);
  const code = await child.ended;
  if (code !== 0) {
    throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${child.lines.join("\n")}`);
  }
}

/** A process that was started here, ends here, and is waited for by what it writes. */
export class Process {
  readonly lines: string[] = [];
  readonly ended: Promise<number | string>;
  readonly #child: ChildProcess;
  readonly #name: string;
  #look: () => void = () => {};

  constructor(command: string, args: string[], { cwd, env }: Options = {}) {
    this.#name = `${command} ${args.join(" ")}`;
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream) {
        createInterface(stream).on("line", (line) => {
          this.lines.push(line);
          this.#look();
        });
      }
    }
    const kill = () => this.#child.kill("SIGKILL");
    process.once("exit", kill); // of a test run that failed to say goodbye
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("close", (code, signal) => {
        process.off("exit", kill);
        resolve(code ?? signal ?? "an unknown end");
      });
    });
  }

  /** The first match in what it writes; it throws where the process ends without one. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const said = new Promise<RegExpExecArray>((resolve) => {
      this.#look = () => {
        for (const line of this.lines) {
          const match = pattern.exec(line);
          if (match) {
            resolve(match);
            return;
          }
        }
      };
      this.#look();
    });
    const end = this.ended.then((code) => {
      throw new Error(`${this.#name} ended with ${code}, and did not say ${pattern}:\n${this.lines.join("\n")}`);
    });
    return Promise.race([said, end]);
  }

  /** Asks it to end, and waits until it has. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGTERM");
      await this.ended;
    }
  }
}

/** A port that was free a moment ago, for what must come back under the same address. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") {
    throw new Error("free port: the server has no port");
  }
  return address.port;
}
