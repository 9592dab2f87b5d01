// Elements, in a line each.

/**
 * Make an element.
 * @param {string} kind "button", "svg:path", ...
 * @param {Record<string, unknown>} [attributes] those that are undefined or false are left out
 * @param {...(Node | string)} children
 */
export function make(kind, attributes = {}, ...children) {
  const [name, svg] = kind.startsWith("svg:") ? [kind.slice(4), true] : [kind, false];
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** Let keys be the panel's: what `handle` answers with true is neither the page's nor the graph's. */
export function onKeys(element, signal, handle) {
  element.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !handle(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal },
  );
}
