// Enriches flights and indexes them: a Lambda function behind a Kinesis stream, with nothing but Node.js itself.
//
// Two documents come of a flight: the flight itself in `flights`, and what its aircraft did last in `aircraft`. Ids follow from
// the flight, so that a record that comes again overwrites and never doubles. What cannot be read or indexed is reported by its
// sequence number: Lambda tries again from there, and the rest of the batch stays done.

const CARRIERS = {
  "9E": "Endeavor Air", AA: "American Airlines", AS: "Alaska Airlines", B6: "JetBlue Airways", DL: "Delta Air Lines",
  EV: "ExpressJet Airlines", F9: "Frontier Airlines", FL: "AirTran Airways", HA: "Hawaiian Airlines", MQ: "Envoy Air",
  OO: "SkyWest Airlines", UA: "United Air Lines", US: "US Airways", VX: "Virgin America", WN: "Southwest Airlines",
  YV: "Mesa Airlines",
};

const search = new URL(process.env.SEARCH_URL);
const headers = { "content-type": "application/x-ndjson" };
if (search.username) {
  headers.authorization = "Basic " + Buffer.from(`${search.username}:${search.password}`).toString("base64");
  search.username = search.password = "";
}

/** The actions of a flight, enriched: pairs of what to do and the document. */
function documents(flight) {
  for (const member of ["event_id", "carrier", "origin", "dest", "tailnum", "scheduled_at", "dep_delay_min"]) {
    if (flight?.[member] === undefined) throw new TypeError(`it has no ${member}`);
  }
  const delay = flight.dep_delay_min;
  const enriched = {
    ...flight,
    carrier_name: CARRIERS[flight.carrier] ?? flight.carrier,
    route: `${flight.origin}-${flight.dest}`,
    punctuality: delay === null ? "cancelled" : delay > 15 ? "late" : "on time",
  };
  const made = [[{ index: { _index: "flights", _id: flight.event_id } }, enriched]];
  if (flight.tailnum) {
    const { tailnum, event_id, carrier_name, route, scheduled_at } = enriched;
    const last = { tailnum, event_id, carrier_name, route, scheduled_at };
    made.push([{ index: { _index: "aircraft", _id: tailnum } }, last]);
  }
  return made;
}

export async function handler(event) {
  const failed = new Set(); // sequence numbers
  const actions = [];
  const sequences = []; // kept aligned with the actions
  for (const { kinesis } of event.Records) {
    try {
      const made = documents(JSON.parse(Buffer.from(kinesis.data, "base64").toString("utf8")));
      actions.push(...made);
      sequences.push(...made.map(() => kinesis.sequenceNumber));
    } catch (error) {
      console.warn(`${kinesis.sequenceNumber} is no flight: ${error.message}`);
      failed.add(kinesis.sequenceNumber);
    }
  }
  if (actions.length > 0) {
    const body = actions.flat().map((line) => JSON.stringify(line) + "\n").join("");
    const answer = await fetch(new URL("/_bulk", search), { method: "POST", headers, body });
    if (!answer.ok) throw new Error(`the index answered ${answer.status}: ${await answer.text()}`);
    const { items } = await answer.json();
    items.forEach(({ index }, place) => {
      if (index.status < 300) return;
      console.warn(`${sequences[place]} was not indexed: ${JSON.stringify(index.error)}`);
      failed.add(sequences[place]);
    });
  }
  return { batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) };
}
