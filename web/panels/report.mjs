// Report: the page of a dub in its node. It is shown as it is saved, in a frame where nothing can run.

import { viewUrl } from "../lib/execution.mjs";
import { t } from "../lib/words.mjs";

const [PAGE, LINKS] = [280, 30];

/** @param {object} node @param {import("../lib/panel.mjs").Host} host */
export function attach(node, host) {
  host.say(t("Run to see the report here"));
  let shown;
  host.onOutput(async ({ xdub_report: saved }) => {
    if (!saved?.length || saved[0].page.filename === shown) return;
    shown = saved[0].page.filename;
    const response = await fetch(viewUrl(saved[0].page)).catch(() => undefined);
    const page = response?.ok ? await response.text() : undefined;
    if (host.signal.aborted) return;
    if (page) show(host, page, saved[0]);
    else host.say(t("The report is gone: run again to see it"));
  });
}

function show(host, page, { page: file, data }) {
  // The server gives HTML for saving only, so a tab gets the page itself.
  const whole = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  host.signal.addEventListener("abort", () => URL.revokeObjectURL(whole), { once: true });
  const links = Object.assign(document.createElement("div"), { className: "xdub-controls" });
  links.append(
    link(whole, t("open in a new tab"), { target: "_blank", rel: "noopener" }),
    link(viewUrl(file), t("save the page"), { download: file.filename }),
    link(viewUrl(data), "JSON", { download: data.filename }),
  );
  const frame = Object.assign(document.createElement("iframe"), { srcdoc: page, title: t("Report"), tabIndex: -1 });
  frame.setAttribute("sandbox", "");
  const place = Object.assign(document.createElement("div"), { className: "xdub-page", tabIndex: 0 });
  place.title = t("Click to scroll in it");
  place.append(frame);
  // Until it is clicked, wheel and drags are the graph's.
  place.addEventListener("click", () => place.classList.add("xdub-reading"));
  place.addEventListener("keydown", ({ key }) => key === "Enter" && frame.focus());
  place.addEventListener("pointerleave", () => place.classList.remove("xdub-reading"));
  host.element.replaceChildren(links, place);
  host.setHeight(PAGE + LINKS);
}

function link(href, text, more) {
  return Object.assign(document.createElement("a"), { href, textContent: text, ...more });
}
