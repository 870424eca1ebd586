import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const readme = readFileSync(path.join(root, "README.md"), "utf8");

/** The README's code, as files beside the package's own. */
const blocks = new Map(
  [...readme.matchAll(/^```(tsx?)\n(.*?)^```$/gms)].map(([, kind, code = ""], i) => [
    path.join(root, `readme-${i + 1}.${kind}`),
    code,
  ]),
);

/** What the compiler has to say about the files, as the app of a reader would have it compiled. */
function compile(files: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const host = ts.createCompilerHost({ ...options });
  const { readFile, fileExists, getSourceFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  host.getSourceFile = (name, ...more) => {
    const text = files.get(name);
    return text === undefined ? getSourceFile(name, ...more) : ts.createSourceFile(name, text, more[0]);
  };
  const from = (file: string) => [path.join(root, "src", file)];
  const program = ts.createProgram({
    rootNames: [...files.keys()],
    options: {
      ...options,
      // Apps do not write down every type, and import the package by its name.
      isolatedDeclarations: false,
      declaration: false,
      paths: {
        "@rollcall-sync/clerk": from("index.ts"),
        "@rollcall-sync/clerk/next": from("next.ts"),
        "@rollcall-sync/clerk/next/server": from("next/server.ts"),
        "@rollcall-sync/clerk/react": from("react.ts"),
      },
    },
    host,
  });
  return ts.getPreEmitDiagnostics(program).map((problem) => {
    const where = problem.file ? `${path.basename(problem.file.fileName)}: ` : "";
    return where + ts.flattenDiagnosticMessageText(problem.messageText, "\n");
  });
}

describe("the README's code", () => {
  it("is there for every entry point", () => {
    const all = [...blocks.values()].join();
    for (const entry of ["", "/next", "/next/server", "/react"]) {
      expect(all).toContain(`from "@rollcall-sync/clerk${entry}"`);
    }
  });

  it("compiles", { timeout: 120_000 }, () => {
    expect(compile(blocks)).toEqual([]);
  });

  it("would not compile with a mistake in it", { timeout: 120_000 }, () => {
    const wrong = 'import { ensureUser } from "@rollcall-sync/clerk";\nensureUser({ tokn: "" });\n';
    expect(compile(new Map([[path.join(root, "readme-wrong.ts"), wrong]])).join()).toContain("tokn");
  });
});
