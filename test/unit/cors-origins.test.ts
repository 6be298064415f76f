import { expect, test } from "vitest";
import { parseCorsOrigins, whyNoCorsOrigins } from "../../node/cors-origins.ts";

test.each([
  ["https://play.example", ["https://play.example"]],
  ["https://a.example,http://b.example:8080", ["https://a.example", "http://b.example:8080"]],
  ["https://a.example, http://localhost:3000 ", ["https://a.example", "http://localhost:3000"]],
  ["http://[::1]:3000", ["http://[::1]:3000"]],
  ["https://xn--bcher-kva.example", ["https://xn--bcher-kva.example"]],
  ["capacitor://localhost,ionic://localhost", ["capacitor://localhost", "ionic://localhost"]],
])("parseCorsOrigins() takes %s", (text, origins) => {
  expect(parseCorsOrigins(text)).toEqual(new Set(origins));
});

test("parseCorsOrigins() takes * for all", () => {
  expect(parseCorsOrigins("*")).toBe("*");
});

test.each([
  ["", '"" is no origin'],
  ["play.example", '"play.example" is no origin'],
  ["https://a.example,", '"" is no origin'],
  ["https://a.example/", '"https://a.example/" is sent as "https://a.example"'],
  ["https://a.example/path", '"https://a.example/path" is sent as "https://a.example"'],
  ["https://A.example", '"https://A.example" is sent as "https://a.example"'],
  ["https://a.example:443", '"https://a.example:443" is sent as "https://a.example"'],
  ["https://user@a.example", '"https://user@a.example" is sent as "https://a.example"'],
  ["https://bücher.example", '"https://bücher.example" is sent as "https://xn--bcher-kva.example"'],
  ["https://*.example", '"https://*.example" is no origin'],
  ["https://a.example,*", '"*" stands alone or not at all'],
  ["null", '"null" is no origin'],
  ["data:text/html,x", '"data:text/html" is no origin'],
  ["capacitor://localhost/", '"capacitor://localhost/" is no origin'],
])("parseCorsOrigins() refuses %j, and whyNoCorsOrigins() says why", (text, why) => {
  expect(parseCorsOrigins(text)).toBeUndefined();
  expect(whyNoCorsOrigins(text)).toBe(why);
});
