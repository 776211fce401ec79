//! AWS's REST with JSON: members lie in the path, the query string, headers and the body, as the route says.

use super::shape::{Kind, Malformed, Reader, Writer};
use super::values::{http_date, of_iso};
use super::{JsonReader, JsonWriter, Place, Route, Text, Timestamp};
use bytes::Bytes;
use std::vec;

/// The members of a request that do not lie in its body, with their values as they were written.
pub type Parameters = Vec<(&'static str, Vec<Text>)>;

/// Reads one request: first its parameters, then its body.
pub struct RestReader {
    parameters: vec::IntoIter<(&'static str, Vec<Text>)>,
    /// The member that is the whole body, until it was given.
    payload: Option<&'static str>,
    body: Bytes,
    json: JsonReader,
    part: Part,
}

enum Part {
    /// Nothing of the structure was read.
    Before,
    /// The values of a parameter that remain.
    Parameter(vec::IntoIter<Text>),
    Payload,
    Json,
    End,
}

impl RestReader {
    /// A reader of a request of `route`.
    pub fn new(route: &Route, parameters: Parameters, body: Bytes) -> Self {
        let payload = route.input.iter().find(|(_, place)| *place == Place::Payload).map(|(member, _)| *member);
        let json = JsonReader::new(body.clone());
        Self { parameters: parameters.into_iter(), payload, body, json, part: Part::Before }
    }

    /// The next value of the parameter at hand; none when the body is being read.
    fn parameter(&mut self) -> Option<Text> {
        match &mut self.part {
            Part::Parameter(values) => Some(values.next().unwrap_or_default()),
            _ => None,
        }
    }
}

fn unreadable(text: &str, expected: &str) -> Malformed {
    Malformed(format!("'{text}' can not be converted to {expected}"))
}

impl Reader for RestReader {
    fn kind(&mut self) -> Result<Kind, Malformed> {
        match self.part {
            Part::Json => self.json.kind(),
            Part::Payload => Ok(Kind::Bytes),
            Part::Before | Part::End => Ok(Kind::Map),
            Part::Parameter(_) => Ok(Kind::Text),
        }
    }

    fn null(&mut self) -> Result<bool, Malformed> {
        if matches!(self.part, Part::Json) { self.json.null() } else { Ok(false) }
    }

    fn text(&mut self) -> Result<Text, Malformed> {
        match self.parameter() {
            Some(text) => Ok(text),
            None if matches!(self.part, Part::Payload) => {
                Text::from_utf8(self.body.clone()).ok_or_else(|| Malformed("The body is not UTF-8.".to_owned()))
            }
            None => self.json.text(),
        }
    }

    fn blob(&mut self) -> Result<Bytes, Malformed> {
        if matches!(self.part, Part::Payload) { Ok(self.body.clone()) } else { self.json.blob() }
    }

    fn integer(&mut self, expected: &'static str) -> Result<i64, Malformed> {
        match self.parameter() {
            Some(text) => text.parse().map_err(|_| unreadable(&text, expected)),
            None => self.json.integer(expected),
        }
    }

    fn double(&mut self) -> Result<f64, Malformed> {
        match self.parameter() {
            Some(text) => text.parse().map_err(|_| unreadable(&text, "Double")),
            None => self.json.double(),
        }
    }

    fn boolean(&mut self) -> Result<bool, Malformed> {
        match self.parameter() {
            Some(text) => text.to_ascii_lowercase().parse().map_err(|_| unreadable(&text, "Boolean")),
            None => self.json.boolean(),
        }
    }

    fn timestamp(&mut self) -> Result<Timestamp, Malformed> {
        match self.parameter() {
            Some(text) => of_iso(&text).ok_or_else(|| unreadable(&text, "a Date")),
            None => self.json.timestamp(),
        }
    }

    fn open_map(&mut self) -> Result<(), Malformed> {
        match self.part {
            Part::Before => Ok(()),
            Part::Json => self.json.open_map(),
            _ => Err(Malformed("Unexpected field type".to_owned())),
        }
    }

    fn next_key(&mut self) -> Result<Option<Text>, Malformed> {
        match self.part {
            Part::Json => return self.json.next_key(),
            Part::End => return Ok(None),
            Part::Before | Part::Parameter(_) | Part::Payload => {}
        }
        if let Some((member, values)) = self.parameters.next() {
            self.part = Part::Parameter(values.into_iter());
            return Ok(Some(Text::from_static(member)));
        }
        if let Some(member) = self.payload.take()
            && !self.body.is_empty()
        {
            self.part = Part::Payload;
            return Ok(Some(Text::from_static(member)));
        }
        if self.body.is_empty() || matches!(self.part, Part::Payload) {
            self.part = Part::End;
            return Ok(None);
        }
        self.part = Part::Json;
        self.json.open_map()?;
        self.json.next_key()
    }

    fn open_list(&mut self) -> Result<(), Malformed> {
        if matches!(self.part, Part::Parameter(_)) { Ok(()) } else { self.json.open_list() }
    }

    fn next_item(&mut self) -> Result<bool, Malformed> {
        match &self.part {
            Part::Parameter(values) => Ok(values.len() > 0),
            _ => self.json.next_item(),
        }
    }

    fn skip(&mut self) -> Result<(), Malformed> {
        if matches!(self.part, Part::Json) { self.json.skip() } else { Ok(()) }
    }

    fn finish(&mut self) -> Result<(), Malformed> {
        if matches!(self.part, Part::Json) { self.json.finish() } else { Ok(()) }
    }
}

/// Writes one response: its status, headers and body.
pub struct RestWriter {
    route: &'static Route,
    status: u16,
    headers: Vec<(&'static str, String)>,
    payload: Option<Vec<u8>>,
    json: JsonWriter,
    depth: usize,
    /// Where the next value goes, when not into the JSON.
    place: Option<Place>,
}

/// A response as a route's output says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RestResponse {
    /// The status.
    pub status: u16,
    /// Headers beside the content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl RestWriter {
    /// A writer of a response of `route`.
    pub fn new(route: &'static Route) -> Self {
        let json = JsonWriter::default();
        Self { route, status: route.status, headers: Vec::new(), payload: None, json, depth: 0, place: None }
    }

    /// What was written.
    pub fn finish(self) -> RestResponse {
        let has_payload = self.route.output.iter().any(|(_, place)| *place == Place::Payload);
        let body = match self.payload {
            Some(payload) => payload,
            None if has_payload || self.status == 204 => Vec::new(),
            None => self.json.finish(),
        };
        RestResponse { status: self.status, headers: self.headers, body }
    }

    /// Puts a value where it belongs, if that is not the JSON.
    fn elsewhere(&mut self, value: impl FnOnce() -> String) -> bool {
        let Some(place) = self.place.take() else { return false };
        match place {
            Place::Header(name) | Place::Label(name) | Place::Query(name) => self.headers.push((name, value())),
            Place::Status => self.status = value().parse().unwrap_or(self.route.status),
            Place::Payload => self.payload = Some(value().into_bytes()),
        }
        true
    }
}

impl Writer for RestWriter {
    fn text(&mut self, text: &str) {
        if !self.elsewhere(|| text.to_owned()) {
            self.json.text(text);
        }
    }

    fn blob(&mut self, blob: &[u8]) {
        if self.place == Some(Place::Payload) {
            self.place = None;
            self.payload = Some(blob.to_vec());
        } else {
            self.json.blob(blob);
        }
    }

    fn integer(&mut self, number: i64) {
        if !self.elsewhere(|| number.to_string()) {
            self.json.integer(number);
        }
    }

    fn double(&mut self, number: f64) {
        if !self.elsewhere(|| number.to_string()) {
            self.json.double(number);
        }
    }

    fn boolean(&mut self, value: bool) {
        if !self.elsewhere(|| value.to_string()) {
            self.json.boolean(value);
        }
    }

    fn timestamp(&mut self, moment: Timestamp) {
        if !self.elsewhere(|| http_date(moment)) {
            self.json.timestamp(moment);
        }
    }

    fn open_map(&mut self, len: usize) {
        self.depth += 1;
        self.json.open_map(len);
    }

    fn key(&mut self, key: &str) {
        if self.depth == 1 {
            self.place = self.route.output.iter().find(|(member, _)| *member == key).map(|(_, place)| *place);
        }
        if self.place.is_none() {
            self.json.key(key);
        }
    }

    fn close_map(&mut self) {
        self.depth -= 1;
        self.json.close_map();
    }

    fn open_list(&mut self, len: usize) {
        self.depth += 1;
        self.json.open_list(len);
    }

    fn item(&mut self) {
        self.json.item();
    }

    fn close_list(&mut self) {
        self.depth -= 1;
        self.json.close_list();
    }
}
