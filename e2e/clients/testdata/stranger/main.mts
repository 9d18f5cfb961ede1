// From a conversation's name to its file, verified, by somebody who has nothing of Data Exhaust but GET /openapi.json, of which
// openapi-typescript makes api.d.mts: a call or a member that the document does not have does not compile.
import { createHash, createPublicKey, verify } from "node:crypto";
import { writeFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { paths } from "./api.mjs";

const [host, channel, name, startDate, endDate, file] = process.argv.slice(2) as [string, string, string, string, string, string];
const client = createClient<paths>({ baseUrl: host, headers: { Authorization: `Bearer ${process.env.EXHAUST_TOKEN}` } });
const header = { "X-Channel-ID": channel };
const tag = "stranger";

type Answer<T> = { data?: { result: T }; error?: { params: { errmsg: string } }; response: Response };

/** The result of an answer, asked for again while the service is busy. */
async function ask<T>(call: () => Promise<Answer<T>>): Promise<T> {
  for (;;) {
    const { data, error, response } = await call();
    if (data) return data.result;
    if (response.status !== 429 && response.status !== 503) throw new Error(error?.params.errmsg ?? `answered ${response.status}`);
    await seconds(Number(response.headers.get("Retry-After") ?? 5));
  }
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, 1000 * count));

async function conversationOf(name: string): Promise<string> {
  let after: string | undefined;
  do {
    const page = await ask(() => client.GET("/dataset/v1/conversation", { params: { header, query: { q: name, after } } }));
    const found = page.conversations.find((c) => c.name === name);
    if (found) return found.id;
    after = page.next;
  } while (after);
  throw new Error(`there is no conversation ${name}`);
}

async function download(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the download answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

/** Checks that a receipt is the service's own and of this file, as the document says how, and answers what it says. */
async function verified(receipt: string, content: Buffer): Promise<{ file: { rows: number; sha256: string } }> {
  const { receipt: says, keyId, signature } = JSON.parse(receipt);
  const { keys } = await ask(() => client.GET("/dataset/v1/receipt-keys"));
  const key = keys.find((k) => k.keyId === keyId);
  if (!key) throw new Error("the receipt is signed with a key that the service does not have");
  // The text of the member receipt as it stands, without the white space between its tokens.
  const compact = receipt.replace(/("(?:[^"\\]|\\.)*")|\s+/g, "$1");
  const signed = compact.slice('{"receipt":'.length, compact.lastIndexOf(',"keyId":'));
  const text = `data-exhaust receipt v1\nsha256:${createHash("sha256").update(signed).digest("hex")}\n`;
  const x = Buffer.from(key.publicKey, "base64").toString("base64url");
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  if (!verify(null, Buffer.from(text), publicKey, Buffer.from(signature, "base64"))) throw new Error("the receipt was changed");
  if (createHash("sha256").update(content).digest("hex") !== says.file.sha256) throw new Error("the file is not the one of the receipt");
  return says;
}

const conversationId = await conversationOf(name);
const body = { request: { dataset: "uci-response-exhaust" as const, tag, datasetConfig: { conversationId, startDate, endDate } } };
const estimate = await ask(() => client.POST("/dataset/v1/request/estimate", { params: { header }, body }));
const { requestId } = await ask(() => client.POST("/dataset/v1/request/submit", { params: { header }, body }));
const params = { header, path: { tag }, query: { requestId } };
let job = await ask(() => client.GET("/dataset/v1/request/read/{tag}", { params }));
while (job.status === "SUBMITTED" || job.status === "PROCESSING") {
  await seconds(1);
  job = await ask(() => client.GET("/dataset/v1/request/read/{tag}", { params }));
}
const [url] = job.downloadUrls;
if (job.status !== "SUCCESS" || !url || !job.receiptUrl) throw new Error(job.statusMessage);
const summary = await ask(() => client.GET("/dataset/v1/request/summary/{tag}", { params }));
const content = await download(url);
const receipt = await verified((await download(job.receiptUrl)).toString(), content);
await writeFile(file, content);
console.log(JSON.stringify({ conversationId, estimate, requestId, summary, rows: receipt.file.rows }));
