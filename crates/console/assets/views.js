// The views, in the order in which they stand beside the page.
//
// `key`: `g` and then this letter leads there. `load` gives the module; its default export is the component, which gets
// `path` (what is behind the view's name in the address) and `query`.

export const VIEWS = [
  { name: 'pipeline', title: 'Pipeline', key: 'p', load: () => import('./views/pipeline.js') },
  { name: 'streams', title: 'Streams', key: 's', load: () => import('./views/streams.js') },
  { name: 'jobs', title: 'Jobs', key: 'j', load: () => import('./views/jobs.js') },
  { name: 'functions', title: 'Functions', key: 'f', load: () => import('./views/functions.js') },
  { name: 'delivery', title: 'Delivery', key: 'd', load: () => import('./views/delivery.js') },
  { name: 'dlq', title: 'Dead letters', key: 'x', load: () => import('./views/dead-letters.js') },
  { name: 'search', title: 'Search', key: 'i', load: () => import('./views/search.js') },
  { name: 'sql', title: 'SQL', key: 'q', load: () => import('./views/sql.js') },
  { name: 'schemas', title: 'Schemas', key: 'c', load: () => import('./views/schemas.js') },
  { name: 'dashboards', title: 'Dashboards', key: 'b', load: () => import('./views/dashboards.js') },
  { name: 'alarms', title: 'Alarms', key: 'a', load: () => import('./views/alarms.js') },
];
