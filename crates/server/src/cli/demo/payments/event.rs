//! Card authorizations, one after another: a JSON object of about 1.2 KB each, written piece by piece.
//!
//! ```text
//! {"authorization_id", "event_time", "card" {…}, "card_id", "amount", "currency", "merchant" {…}, "response_code",
//!  "network", "acquirer_id", "trace_number", "device" {…}, "emv" {…}}
//! ```
//! One in a hundred comes late, by seconds to minutes; each acquirer's clock drifts; one in ten thousand is damaged; one in
//! two thousand is put again by a producer that did not see the answer.

use super::random::{Random, scatter};
use super::world::{Bin, Merchant, World};
use chrono::DateTime;

const LATE: f64 = 0.01;
const MALFORMED: f64 = 0.000_1;
const REPEATED: f64 = 0.000_5;
/// Acquirers, who pass payments on; each has a clock of its own.
const ACQUIRERS: u64 = 12;
/// The acquirer whose software changes in the incident `schema-break`.
const CHANGED_ACQUIRER: u64 = 7;
/// Cards of the fraud ring, and its share of the payments while it is at work.
const RING: u64 = 40;
const RING_SHARE: f64 = 0.02;
/// The whale's share of the payments.
const WHALE_SHARE: f64 = 0.6;
/// Events that the function cannot take while somebody poisons it.
const POISON_SHARE: f64 = 0.01;
/// Payments of the failed issuer that are still answered.
const SURVIVING: f64 = 0.02;
/// Keeps card ids apart from what else is scattered.
const CARD_SALT: u64 = 0x00ca_12d5;
const DAY_MS: i64 = 86_400_000;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// What is special about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing: it must arrive everywhere.
    Good,
    /// It is damaged.
    Malformed,
    /// It is JSON that a function stumbles over.
    Poison,
    /// It has another shape than the schema says.
    Breaking,
}

/// What goes wrong just now, as far as payments show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// An issuer (its index) does not answer: its payments are declined with 91.
    Outage(usize),
    /// Few cards pay much, often and abroad.
    FraudRing,
    /// Some events make functions fail.
    Poison,
    /// One BIN (its index) takes most of the traffic.
    Whale(usize),
    /// One acquirer sends another shape.
    SchemaBreak,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number, which its id ends with.
    pub number: u64,
    /// What is special about it.
    pub class: Class,
    /// The producer puts it again.
    pub repeated: bool,
    /// Its partition key.
    pub bin: &'static str,
    /// The record's bytes.
    pub data: Vec<u8>,
}

/// Makes events.
#[derive(Debug)]
pub struct Generator {
    world: World,
    random: Random,
    seed: u32,
    next: u64,
    date: (i64, String),
    drifts: Vec<i64>,
    /// What goes wrong just now.
    pub trouble: Option<Trouble>,
}

/// Who pays, where and how much.
struct Payment<'a> {
    bin: &'a Bin,
    card: u64,
    merchant: &'a Merchant,
    amount: f64,
    response: &'static str,
}

impl Generator {
    /// A generator whose events all follow from `seed`.
    pub fn new(seed: u32) -> Self {
        let mut random = Random::new(u64::from(seed));
        let drifts = (0..ACQUIRERS).map(|_| (random.around() * 250.0) as i64 - 300).collect();
        let world = World::new(u64::from(seed));
        Self { world, random, seed, next: 0, date: (i64::MIN, String::new()), drifts, trouble: None }
    }

    /// The world that it is about.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The id of the event with this number.
    pub fn id(seed: u32, number: u64) -> String {
        format!("auth-{seed:08x}-{number:010}")
    }

    /// The next event, made at `now` (milliseconds since 1970).
    pub fn next(&mut self, now: i64) -> Event {
        let number = self.next;
        self.next += 1;
        let acquirer = self.random.below(ACQUIRERS);
        let time = self.time(now, acquirer);
        if self.date.0 != time.div_euclid(DAY_MS) {
            let date = DateTime::from_timestamp_millis(time).map(|time| time.format("%Y-%m-%dT").to_string());
            self.date = (time.div_euclid(DAY_MS), date.unwrap_or_default());
        }
        let payment = payment(&self.world, &mut self.random, self.trouble);
        let class = class(&mut self.random, self.trouble, acquirer);
        let mut data = Vec::with_capacity(1_400);
        let mut writer = Writer { out: &mut data, random: &mut self.random };
        writer.text(r#"{"authorization_id":"auth-"#);
        writer.hex32(self.seed);
        writer.text("-");
        writer.digits(number, 10);
        writer.text(r#"","event_time":""#);
        writer.text(&self.date.1);
        writer.time(time.rem_euclid(DAY_MS) as u64);
        writer.payment(&payment, acquirer, class);
        writer.device();
        writer.emv(class);
        if class == Class::Malformed {
            damage(&mut data, self.random.below(5), &Self::id(self.seed, number));
        }
        Event { number, class, repeated: self.random.is(REPEATED), bin: payment.bin.digits, data }
    }

    /// When it says that it happened.
    fn time(&mut self, now: i64, acquirer: u64) -> i64 {
        let late = match self.random.is(LATE) {
            // From two seconds to four minutes.
            true => (2_000.0 * (self.random.part() * 6.9).exp2()) as i64,
            false => 0,
        };
        now + self.drifts[acquirer as usize] - late
    }
}

fn class(random: &mut Random, trouble: Option<Trouble>, acquirer: u64) -> Class {
    match trouble {
        _ if random.is(MALFORMED) => Class::Malformed,
        Some(Trouble::Poison) if random.is(POISON_SHARE) => Class::Poison,
        Some(Trouble::SchemaBreak) if acquirer == CHANGED_ACQUIRER => Class::Breaking,
        _ => Class::Good,
    }
}

fn payment<'a>(world: &'a World, random: &mut Random, trouble: Option<Trouble>) -> Payment<'a> {
    let mut bin = &world.bins[world.pick_bin(random)];
    if let Some(Trouble::Whale(whale)) = trouble
        && random.is(WHALE_SHARE)
    {
        bin = &world.bins[whale];
    }
    let card = random.below(bin.cards);
    if trouble == Some(Trouble::FraudRing) && random.is(RING_SHARE) {
        return fraud(world, random);
    }
    let merchant = world.pick_merchant(bin.country, random);
    let amount = (merchant.typical * (random.around() * 0.7).exp()).clamp(0.5, 20_000.0);
    let response = match trouble {
        Some(Trouble::Outage(issuer)) if issuer == bin.issuer && !random.is(SURVIVING) => "91",
        _ => response(world, random, (bin, card), merchant),
    };
    Payment { bin, card, merchant, amount, response }
}

/// A payment of the ring: always the same cards, much, abroad, and approved.
fn fraud<'a>(world: &'a World, random: &mut Random) -> Payment<'a> {
    let member = random.below(RING);
    let bin = &world.bins[(scatter(member ^ CARD_SALT) % world.bins.len() as u64) as usize];
    let merchant = world.pick_abroad(bin.country, random);
    Payment { bin, card: member % bin.cards, merchant, amount: 520.0 + random.part() * 1_400.0, response: "00" }
}

/// Declines are correlated: by the issuer's strictness, the merchant's risk, and cards without money.
fn response(world: &World, random: &mut Random, (bin, card): (&Bin, u64), merchant: &Merchant) -> &'static str {
    let mark = card_mark(bin, card);
    // One card in sixty has no money left.
    if mark.is_multiple_of(60) && random.is(0.7) {
        return "51";
    }
    if mark % 997 == 1 {
        return "54";
    }
    if !random.is(world.issuers[bin.issuer].declines * merchant.risk) {
        return "00";
    }
    match random.below(100) {
        0..=54 => "05",
        55..=74 => "51",
        75..=84 => "61",
        85..=92 => "14",
        93..=96 => "91",
        _ => "96",
    }
}

/// What stands for a card wherever its number must not.
fn card_mark(bin: &Bin, card: u64) -> u64 {
    let digits = bin.digits.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    scatter(CARD_SALT ^ (digits << 36) ^ card)
}

/// Makes an event what no reader takes. Its id stays where it can, so that it can be found again.
fn damage(data: &mut Vec<u8>, kind: u64, id: &str) {
    let replace = |data: &mut Vec<u8>, from: &[u8], to: &[u8]| {
        if let Some(at) = memchr::memmem::find(data, from) {
            data.splice(at..at + from.len(), to.iter().copied());
        }
    };
    match kind {
        0 => data.truncate(data.len() / 3),
        1 => replace(data, b"\"amount\":", b"\"amount\":\"12.x4\",\"was\":"),
        2 => replace(data, b"\"authorization_id\":", b"\"authorisation\":"),
        3 => *data = b"{}".to_vec(),
        _ => *data = format!("#CORRUPT {id}").into_bytes(),
    }
}

/// Writes JSON without a tree: what varies between pieces that do not.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    random: &'a mut Random,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn digits(&mut self, mut value: u64, width: usize) {
        let mut digits = [b'0'; 20];
        for digit in digits[..width].iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
        self.out.extend_from_slice(&digits[..width]);
    }

    fn hex32(&mut self, value: u32) {
        for shift in (0..8).rev() {
            self.out.push(HEX[(value >> (shift * 4)) as usize & 15]);
        }
    }

    fn hex64(&mut self, value: u64) {
        self.hex32((value >> 32) as u32);
        self.hex32(value as u32);
    }

    /// Random hexadecimal digits.
    fn hex(&mut self, digits: usize) {
        for _ in 0..digits.div_ceil(16) {
            let roll = self.random.roll();
            self.hex64(roll);
        }
        let surplus = digits.next_multiple_of(16) - digits;
        self.out.truncate(self.out.len() - surplus);
    }

    fn time(&mut self, of_day: u64) {
        self.digits(of_day / 3_600_000, 2);
        self.text(":");
        self.digits(of_day / 60_000 % 60, 2);
        self.text(":");
        self.digits(of_day / 1_000 % 60, 2);
        self.text(".");
        self.digits(of_day % 1_000, 3);
        self.text("Z");
    }

    fn payment(&mut self, payment: &Payment<'_>, acquirer: u64, class: Class) {
        let mark = card_mark(payment.bin, payment.card);
        self.text(r#"","card":{"number":""#);
        self.card_number(payment.bin, payment.card);
        self.text(r#"","bin":""#);
        self.text(payment.bin.digits);
        self.text(r#"","expiry":""#);
        self.digits(1 + mark % 12, 2);
        self.text("/");
        self.digits(27 + mark / 12 % 5, 2);
        self.text(r#"","brand":""#);
        self.text(payment.bin.brand);
        self.text(r#"","entry_mode":""#);
        let modes = ["contactless", "chip", "ecommerce", "contactless", "ecommerce", "swipe"];
        let mode = modes[self.random.below(6) as usize];
        self.text(mode);
        self.text(r#""},"card_id":"c-"#);
        self.hex64(mark);
        self.text(r#"","amount":"#);
        self.amount(payment.amount, payment.merchant.currency, class);
        self.text(r#","currency":""#);
        self.text(payment.merchant.currency);
        self.text(r#"","merchant":"#);
        self.merchant(payment.merchant, class);
        self.text(r#","response_code":""#);
        self.text(payment.response);
        self.text(r#"","network":""#);
        self.text(payment.bin.brand);
        self.text(r#"","acquirer_id":"a-"#);
        self.digits(acquirer, 2);
        self.text(r#"","trace_number":""#);
        let trace = self.random.below(1_000_000);
        self.digits(trace, 6);
    }

    /// Sixteen digits, the last of which is Luhn's.
    fn card_number(&mut self, bin: &Bin, card: u64) {
        let from = self.out.len();
        self.text(bin.digits);
        self.digits(card, 9);
        let sum: u64 = self.out[from..]
            .iter()
            .enumerate()
            .map(|(place, digit)| {
                let value = u64::from(digit - b'0');
                match place % 2 {
                    0 if value > 4 => value * 2 - 9,
                    0 => value * 2,
                    _ => value,
                }
            })
            .sum();
        self.digits((10 - sum % 10) % 10, 1);
    }

    fn amount(&mut self, amount: f64, currency: &str, class: Class) {
        if class == Class::Breaking {
            self.text(r#"{"value":"#);
        }
        let cents = (amount * 100.0) as u64;
        self.out.extend_from_slice((cents / 100).to_string().as_bytes());
        self.text(".");
        self.digits(cents % 100, 2);
        if class == Class::Breaking {
            self.text(r#","currency":""#);
            self.text(currency);
            self.text("\"}");
        }
    }

    fn merchant(&mut self, merchant: &Merchant, class: Class) {
        if class == Class::Poison {
            return self.text("null");
        }
        self.text(&merchant.json);
        let terminal = self.random.below(24);
        self.digits(terminal, 2);
        self.text("\"}");
    }

    fn device(&mut self) {
        self.text(r#"","device":{"type":"pos","serial":""#);
        self.hex(16);
        self.text(r#"","software":"4."#);
        let version = self.random.below(30);
        self.digits(version, 2);
        self.text(r#"","session":""#);
        self.hex(32);
        self.text(r#"","channel":"tls1.3","attested":true},"emv":"#);
    }

    /// The chip's answers, which fill an event up.
    fn emv(&mut self, class: Class) {
        if class == Class::Poison {
            return self.text(r#"["9f26"]}"#);
        }
        self.text(r#"{"9f26":""#);
        self.hex(16);
        for (tag, digits) in [
            (r#"","9f27":""#, 2),
            (r#"","9f10":""#, 64),
            (r#"","9f37":""#, 8),
            (r#"","9f36":""#, 4),
            (r#"","95":""#, 10),
            (r#"","9a":""#, 6),
            (r#"","82":""#, 4),
            (r#"","9f34":""#, 6),
            (r#"","5f34":""#, 2),
            (r#"","84":""#, 14),
            (r#"","9f46":""#, 240),
            (r#"","9f6e":""#, 48),
        ] {
            self.text(tag);
            self.hex(digits);
        }
        self.text("\"}}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    const NOW: i64 = 1_795_291_200_000;

    fn events(seed: u32, count: usize, trouble: Option<Trouble>) -> Vec<Event> {
        let mut generator = Generator::new(seed);
        generator.trouble = trouble;
        (0..count).map(|_| generator.next(NOW)).collect()
    }

    fn json(event: &Event) -> Value {
        serde_json::from_slice(&event.data).unwrap()
    }

    fn is_luhn(number: &str) -> bool {
        let sum: u32 = number
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, digit)| {
                let value = u32::from(digit - b'0') * if place % 2 == 1 { 2 } else { 1 };
                if value > 9 { value - 9 } else { value }
            })
            .sum();
        number.len() == 16 && sum.is_multiple_of(10)
    }

    #[test]
    fn an_event_has_the_agreed_shape() {
        for event in events(5, 2_000, None).iter().filter(|event| event.class == Class::Good) {
            let value = json(event);
            assert_eq!(value["authorization_id"], Generator::id(5, event.number));
            let card = &value["card"];
            assert!(is_luhn(card["number"].as_str().unwrap()), "{card}");
            assert!(card["number"].as_str().unwrap().starts_with(event.bin) && card["bin"] == event.bin);
            assert!(value["card_id"].as_str().unwrap().starts_with("c-"));
            assert!(value["amount"].as_f64().unwrap() > 0.0 && value["event_time"].as_str().unwrap().len() == 24);
            for member in ["id", "name", "category_code", "country", "city", "terminal_id"] {
                assert!(value["merchant"][member].is_string(), "{member}");
            }
            assert!(value["device"].is_object() && value["emv"].is_object());
            assert!((1_100..1_300).contains(&event.data.len()), "{} bytes", event.data.len());
        }
    }

    #[test]
    fn a_seed_makes_the_same_day_again() {
        assert_eq!(events(9, 500, None), events(9, 500, None));
        assert_ne!(events(9, 5, None), events(10, 5, None));
    }

    #[test]
    fn shares_are_as_told() {
        let all = events(1, 300_000, None);
        let part = |count: usize| count as f64 / all.len() as f64;
        let malformed = part(all.iter().filter(|event| event.class == Class::Malformed).count());
        let repeated = part(all.iter().filter(|event| event.repeated).count());
        assert!((0.000_05..0.000_16).contains(&malformed) && (0.000_4..0.000_6).contains(&repeated));
        let (mut late, mut declined, mut cards) = (0, 0, BTreeMap::<String, u32>::new());
        let good: Vec<Value> = all.iter().step_by(6).filter(|event| event.class == Class::Good).map(json).collect();
        for value in &good {
            let time = DateTime::parse_from_rfc3339(value["event_time"].as_str().unwrap()).unwrap();
            late += u32::from(NOW - time.timestamp_millis() > 1_999);
            declined += u32::from(value["response_code"] != "00");
            *cards.entry(value["card_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let share = |count: u32| f64::from(count) / good.len() as f64;
        assert!((0.008..0.013).contains(&share(late)), "{late}");
        assert!((0.03..0.09).contains(&share(declined)), "{declined}");
        assert!(cards.values().all(|count| *count <= 3), "no honest card pays that often");
    }

    #[test]
    fn damage_leaves_what_no_reader_takes() {
        let mut generator = Generator::new(3);
        let whole = generator.next(NOW).data;
        for kind in 0..5 {
            let mut data = whole.clone();
            damage(&mut data, kind, "auth-1");
            let value = serde_json::from_slice::<Value>(&data);
            let is_well = value.is_ok_and(|value| value["authorization_id"].is_string() && value["amount"].is_number());
            assert!(!is_well, "{kind}");
        }
    }

    #[test]
    fn troubles_show() {
        let outage = events(1, 20_000, Some(Trouble::Outage(0)));
        let world = World::new(1);
        let bins: BTreeMap<&str, usize> = world.bins.iter().map(|bin| (bin.digits, bin.issuer)).collect();
        let (mut hit, mut down) = (0, 0);
        for event in outage.iter().filter(|event| event.class == Class::Good && bins[event.bin] == 0) {
            hit += 1;
            down += u32::from(json(event)["response_code"] == "91");
        }
        assert!(hit > 500 && f64::from(down) / f64::from(hit) > 0.95, "{down} of {hit}");

        let whale = events(1, 10_000, Some(Trouble::Whale(17)));
        let of_whale = whale.iter().filter(|event| event.bin == world.bins[17].digits).count();
        assert!((5_800..6_300).contains(&of_whale));

        let ring = events(1, 20_000, Some(Trouble::FraudRing));
        let mut cards = BTreeMap::<String, u32>::new();
        for value in ring.iter().filter(|event| event.class == Class::Good).map(json) {
            *cards.entry(value["card_id"].to_string()).or_default() += 1;
        }
        assert!(cards.values().filter(|count| **count > 3).count() >= 30);

        let breaking = events(1, 2_000, Some(Trouble::SchemaBreak));
        let broken: Vec<&Event> = breaking.iter().filter(|event| event.class == Class::Breaking).collect();
        assert!(broken.len() > 100 && broken.iter().all(|event| json(event)["amount"]["value"].is_number()));
        let poison = events(1, 20_000, Some(Trouble::Poison));
        let poison: Vec<&Event> = poison.iter().filter(|event| event.class == Class::Poison).collect();
        assert!(poison.len() > 100 && poison.iter().all(|event| json(event)["merchant"].is_null()));
    }
}
