// What changed between two texts, by lines.

/** `[{ kind: 'same' | 'gone' | 'new', text }]`: the longest common subsequence of lines stays. */
export function difference(before, after) {
  const [a, b] = [before.split('\n'), after.split('\n')];
  // Beginning and end that are the same need no table.
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const [x, y] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  const same = (lines) => lines.map((text) => ({ kind: 'same', text }));
  const middle = x.length * y.length > 4_000_000 ? replaced(x, y) : common(x, y);
  return [...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))];
}

const replaced = (x, y) => [...x.map((text) => ({ kind: 'gone', text })), ...y.map((text) => ({ kind: 'new', text }))];

function common(x, y) {
  const width = y.length + 1;
  const lengths = new Uint32Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i -= 1) {
    for (let j = y.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = x[i] === y[j] ? lengths[(i + 1) * width + j + 1] + 1 : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const found = [];
  let [i, j] = [0, 0];
  while (i < x.length && j < y.length) {
    if (x[i] === y[j]) {
      found.push({ kind: 'same', text: x[i] });
      [i, j] = [i + 1, j + 1];
    } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) found.push({ kind: 'gone', text: x[i++] });
    else found.push({ kind: 'new', text: y[j++] });
  }
  return [...found, ...replaced(x.slice(i), y.slice(j))];
}
