// The views, in the order in which they stand beside the page.
//
// `key`: `g` and then this letter leads there. `load` gives the module; its default export is the component, which gets
// `path` (what is behind the view's name in the address) and `query`.

export const VIEWS = [
];
