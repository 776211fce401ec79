// A JSON Patch (RFC 6902) as people read it: what was there, what is there now, and where, by names instead of places in lists.

const parts = (pointer) => pointer.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

/** A part of a pointer: an item of a list by its name, if it has one. */
function wordOf(holder, part) {
  if (!Array.isArray(holder)) return part;
  const item = holder[part];
  return item?.name ?? (typeof item === 'string' ? item : `${Number(part) + 1}.`);
}

/**
 * The steps of a patch over `document`: `[{ op, place, before, after }]`. Places of later steps are those behind the earlier ones,
 * so each is made on a copy as it is told.
 */
export function steps(document, patch) {
  const root = { document: structuredClone(document) };
  return patch.map(({ op, path, value }) => {
    const pointer = ['document', ...parts(path)];
    const last = pointer.pop();
    const words = [];
    let holder = root;
    for (const part of pointer) {
      words.push(wordOf(holder, part));
      holder = holder[part];
    }
    const before = op === 'add' ? undefined : holder[last];
    const told = () => [...words, wordOf(holder, last)].slice(1).join(' › ');
    const removed = op === 'remove' ? told() : null;
    if (op === 'remove') Array.isArray(holder) ? holder.splice(Number(last), 1) : delete holder[last];
    else if (op === 'add' && Array.isArray(holder)) holder.splice(Number(last), 0, value);
    else holder[last] = value;
    return { op, place: removed ?? told(), before, after: value };
  });
}
