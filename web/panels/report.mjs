// Report: the page of a dub in its node. It is shown as it is saved, in a frame where nothing can run.

import { make, onAbort, onKeys, part } from "../lib/dom.mjs";
import { viewUrl } from "../lib/execution.mjs";
import { read } from "../lib/shared.mjs";
import { t } from "../lib/words.mjs";

const [PAGE, LINKS] = [280, 30];

export function attach(node, host) {
  host.say(t("Run to see the report here"));
  let shown;
  host.onOutput(async ({ xdub_report: saved }) => {
    if (!saved?.length || saved[0].page.filename === shown) return;
    shown = saved[0].page.filename;
    const page = await read(viewUrl(saved[0].page), (response) => response.text());
    if (host.signal.aborted) return;
    if (page) show(host, page, saved[0]);
    else host.say(t("The report is gone: run again to see it"));
  });
}

function show(host, page, { page: file, data }) {
  // The server gives HTML for saving only, so a tab gets the page itself.
  const whole = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  onAbort(host.signal, () => URL.revokeObjectURL(whole));
  const links = part(
    "controls",
    make("a", { href: whole, target: "_blank", rel: "noopener" }, t("open in a new tab")),
    make("a", { href: viewUrl(file), download: file.filename }, t("save the page")),
    make("a", { href: viewUrl(data), download: data.filename }, "JSON"),
  );
  const frame = make("iframe", { srcdoc: page, title: t("Report"), tabindex: -1, sandbox: true });
  // Until it is clicked, wheel and drags are the graph's.
  const reading = (on) => () => place.classList.toggle("xdub-reading", on);
  const title = t("Click to scroll in it");
  const place = make("div", { class: "xdub-page xdub-fill", tabindex: 0, title, click: reading(true), pointerleave: reading(false) }, frame);
  onKeys(place, (key) => key === "Enter" && (frame.focus(), true));
  host.element.replaceChildren(links, place);
  host.setHeight(PAGE + LINKS);
}
