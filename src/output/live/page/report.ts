// Turns the page into the report of the run, and saves the report as a file, identical to what `fourtuple
// report` writes.
import { make } from "./dom.js";

export function becomeReport(report: string, file: string): void {
  const parsed = new DOMParser().parseFromString(report, "text/html");
  const bar = make("div", "ended", make("span", "", "The run has ended. This is its report."));
  const save = make("button", "plain", "Save the report");
  save.type = "button";
  save.addEventListener("click", () => download(report, file));
  bar.append(save);
  bar.setAttribute("role", "status");
  document.title = parsed.title;
  // The bar keeps its styles; everything else gets the report's styles.
  const own = document.querySelector("style")!;
  const rules = [...own.sheet!.cssRules].map(({ cssText }) => cssText);
  own.textContent = rules.filter((rule) => /^(\.ended|button|:focus)|@media.*\.ended/.test(rule)).join("\n");
  document.head.append(...parsed.querySelectorAll("style"));
  document.body.replaceChildren(bar, ...parsed.body.childNodes);
  scrollTo(0, 0);
}

function download(report: string, file: string): void {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([report], { type: "text/html" }));
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
