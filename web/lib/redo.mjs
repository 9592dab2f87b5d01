// Clips that shall be sampled again, as the input `redo` and the command line's --redo have them: 12,40-44.

/**
 * How often each clip is named.
 * @param {string} text
 * @returns {Map<number, number>} of numbers from 1
 */
export function parseRedo(text) {
  const counts = new Map();
  for (const part of String(text ?? "").split(",")) {
    const [, first, last = first] = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part) ?? [];
    for (let number = Number(first); number <= Number(last); number++) {
      counts.set(number, (counts.get(number) ?? 0) + 1);
    }
  }
  return counts;
}

/**
 * The shortest text that names them so often.
 * @param {Map<number, number>} counts
 */
export function formatRedo(counts) {
  const parts = [];
  for (let times = 1; ; times++) {
    const numbers = [...counts].filter(([, count]) => count >= times).map(([number]) => number);
    if (!numbers.length) return parts.join(",");
    parts.push(...ranges(numbers.sort((a, b) => a - b)));
  }
}

function ranges(numbers) {
  const found = [];
  for (const number of numbers) {
    const newest = found.at(-1);
    if (newest?.[1] === number - 1) newest[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
}
