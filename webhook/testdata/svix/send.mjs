// Sends what it reads, signed by Svix's official library, and writes how each delivery was answered.
//
// In: {"url", "deliveries": [{"id", "age", "secrets", "body", "tampered", "pad"}]}, out: a list of {"status", "answer"}.
// `age` is in seconds, negative for the future; `tampered` is sent in place of the body that was signed;
// `pad` is how many bytes of white space follow the body, signed too.
import { text } from "node:stream/consumers";
import { Webhook } from "svix";

const { url, deliveries } = JSON.parse(await text(process.stdin));
const answers = [];
for (const d of deliveries) {
  const body = d.body + " ".repeat(d.pad);
  const at = new Date(Date.now() - d.age * 1000);
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "svix-id": d.id,
      "svix-timestamp": String(Math.floor(at.getTime() / 1000)),
      "svix-signature": d.secrets.map((secret) => new Webhook(secret).sign(d.id, at, body)).join(" "),
    },
    body: d.tampered || body,
  });
  answers.push({ status: response.status, answer: await response.json() });
}
process.stdout.write(JSON.stringify(answers));
