// Clips that shall be sampled again, as the input `redo` and the command line's --redo have them: 12,40-44.

/** How often each clip is named. @returns {Map<number, number>} of numbers from 1 */
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

/** The shortest text that names them so often. @param {Map<number, number>} counts */
export function formatRedo(counts) {
  const ranges = [];
  for (let times = 1; ; times++) {
    const numbers = [...counts.keys()].filter((number) => counts.get(number) >= times).sort((a, b) => a - b);
    if (!numbers.length) break;
    for (const [place, number] of numbers.entries()) {
      if (place && numbers[place - 1] === number - 1) ranges.at(-1)[1] = number;
      else ranges.push([number, number]);
    }
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
