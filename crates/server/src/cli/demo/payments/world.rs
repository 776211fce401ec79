//! The invented world of the payments day: card issuers and their BINs, merchants, how much people pay where.
//!
//! It is `examples/payments/*.csv`, which the enrichment function reads too, so that both agree who issued a card.

use super::random::{Picks, Random};
use std::collections::BTreeMap;

const BINS: &str = include_str!("../../../../../../examples/payments/bins.csv");
const CATEGORIES: &str = include_str!("../../../../../../examples/payments/categories.csv");
const MERCHANTS: &str = include_str!("../../../../../../examples/payments/merchants.csv");

/// How steeply merchants differ: the second has half of the first's customers, the tenth a tenth.
const ZIPF: f64 = 1.0;
/// Cards of all BINs together: so many that by chance no card pays four times in five minutes, at 6,000 payments a second.
const CARDS: f64 = 200_000_000.0;
/// Payments in the card's own country.
const DOMESTIC: f64 = 0.93;
/// Currencies of countries; all others have the euro.
const CURRENCIES: [(&str, &str); 6] =
    [("US", "USD"), ("GB", "GBP"), ("CA", "CAD"), ("JP", "JPY"), ("BR", "BRL"), ("AU", "AUD")];

/// The first six digits of card numbers, which say who issued them.
#[derive(Debug)]
pub struct Bin {
    /// Six digits.
    pub digits: &'static str,
    /// Of the issuer, in [`World::issuers`].
    pub issuer: usize,
    /// Where the issuer is.
    pub country: &'static str,
    /// The card's brand.
    pub brand: &'static str,
    /// How many cards there are.
    pub cards: u64,
}

/// A bank.
#[derive(Debug)]
pub struct Issuer {
    /// Its name.
    pub name: &'static str,
    /// What it declines of all payments, from 0 to 1.
    pub declines: f64,
}

/// Where people pay.
#[derive(Debug)]
pub struct Merchant {
    /// Where it is.
    pub country: &'static str,
    /// The `merchant` object as JSON, up to the terminal's number.
    pub json: String,
    /// What it takes.
    pub currency: &'static str,
    /// What people pay there, in the middle.
    pub typical: f64,
    /// How many times more often than elsewhere payments are declined.
    pub risk: f64,
}

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// All BINs.
    pub bins: Vec<Bin>,
    /// All issuers, the largest first.
    pub issuers: Vec<Issuer>,
    /// All merchants.
    pub merchants: Vec<Merchant>,
    by_bin: Picks,
    anywhere: Picks,
    at_home: BTreeMap<&'static str, (Vec<usize>, Picks)>,
}

impl World {
    /// The world as it is for a seed: who is large and who is risky.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x0057_04d5);
        let (mut bins, issuers) = issuers(&mut random);
        let merchants = merchants(&mut random);
        let sizes: Vec<f64> = bins.iter().map(|_| (random.around() * 0.9).exp()).collect();
        let all: f64 = sizes.iter().sum();
        for (bin, size) in bins.iter_mut().zip(&sizes) {
            bin.cards = (CARDS * size / all) as u64 + 1;
        }
        let weights = popularity(merchants.len(), &mut random);
        let mut homes: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for (index, merchant) in merchants.iter().enumerate() {
            homes.entry(merchant.country).or_default().push(index);
        }
        let home = |(country, places): (&'static str, Vec<usize>)| {
            let own: Vec<f64> = places.iter().map(|place| weights[*place]).collect();
            (country, (places, Picks::new(&own)))
        };
        Self {
            at_home: homes.into_iter().map(home).collect(),
            anywhere: Picks::new(&weights),
            by_bin: Picks::new(&sizes),
            bins,
            issuers,
            merchants,
        }
    }

    /// Whose card pays.
    pub fn pick_bin(&self, random: &mut Random) -> usize {
        self.by_bin.pick(random)
    }

    /// Where somebody from `country` pays.
    pub fn pick_merchant(&self, country: &str, random: &mut Random) -> &Merchant {
        let home = self.at_home.get(country).filter(|_| random.is(DOMESTIC));
        let index = match home {
            Some((places, picks)) => places[picks.pick(random)],
            None => self.anywhere.pick(random),
        };
        &self.merchants[index]
    }

    /// A merchant that is not in `country`.
    pub fn pick_abroad(&self, country: &str, random: &mut Random) -> &Merchant {
        loop {
            let merchant = &self.merchants[self.anywhere.pick(random)];
            if merchant.country != country {
                return merchant;
            }
        }
    }
}

/// The shares of merchants by Zipf's law, in an order that the seed chooses.
fn popularity(count: usize, random: &mut Random) -> Vec<f64> {
    let mut weights: Vec<f64> = (1..=count).map(|rank| (rank as f64).powf(-ZIPF)).collect();
    for last in (1..count).rev() {
        weights.swap(last, random.below(last as u64 + 1) as usize);
    }
    weights
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(|line| line.split(',').collect())
}

fn issuers(random: &mut Random) -> (Vec<Bin>, Vec<Issuer>) {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for row in rows(BINS) {
        *counts.entry(row[1]).or_default() += 1;
    }
    let mut names: Vec<(&'static str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(name, count)| (usize::MAX - count, *name));
    let issuer = |row: &Vec<&'static str>| names.iter().position(|(name, _)| *name == row[1]).unwrap_or_default();
    let bins = rows(BINS)
        .map(|row| Bin { digits: row[0], issuer: issuer(&row), country: row[2], brand: row[3], cards: 0 })
        .collect();
    // From one to five in a hundred.
    let issuers = names.iter().map(|(name, _)| Issuer { name, declines: 0.01 + 0.04 * random.part() }).collect();
    (bins, issuers)
}

fn merchants(random: &mut Random) -> Vec<Merchant> {
    let typical: BTreeMap<&str, f64> =
        rows(CATEGORIES).map(|row| (row[0], row[2].parse().unwrap_or_default())).collect();
    let merchant = |row: Vec<&'static str>| {
        let (id, name, category, country, city) = (row[0], row[1], row[2], row[3], row[4]);
        let currency = CURRENCIES.iter().find(|(of, _)| *of == country).map_or("EUR", |(_, currency)| currency);
        let json = format!(
            r#"{{"id":"{id}","name":"{name}","category_code":"{category}","country":"{country}","city":"{city}","terminal_id":"t-{}-"#,
            &id[2..]
        );
        let risk = if random.is(0.04) { 3.0 + 3.0 * random.part() } else { 0.6 + 0.6 * random.part() };
        Merchant { country, json, currency, typical: typical.get(category).copied().unwrap_or_default(), risk }
    };
    rows(MERCHANTS).map(merchant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_tables_fit_together() {
        let world = World::new(1);
        assert_eq!((world.bins.len(), world.issuers.len(), world.merchants.len()), (3_000, 30, 1_400));
        let digits: BTreeSet<&str> = world.bins.iter().map(|bin| bin.digits).collect();
        assert_eq!(digits.len(), 3_000);
        assert!(digits.iter().all(|bin| bin.len() == 6 && bin.bytes().all(|byte| byte.is_ascii_digit())));
        assert!(rows(BINS).chain(rows(CATEGORIES)).chain(rows(MERCHANTS)).all(|row| row.iter().all(|cell| {
            // Cells go into JSON as they are.
            !cell.is_empty() && !cell.contains(['"', '\\'])
        })));
        assert!(world.merchants.iter().all(|merchant| merchant.typical > 0.0), "a merchant without a category");
        assert!(world.bins.iter().all(|bin| world.at_home.contains_key(bin.country)), "a country without merchants");
    }

    #[test]
    fn merchants_follow_zipf_and_cards_stay_at_home() {
        let world = World::new(1);
        let (mut random, mut seen, mut home) = (Random::new(2), BTreeMap::<&str, u32>::new(), 0);
        for _ in 0..200_000 {
            let merchant = world.pick_merchant("US", &mut random);
            *seen.entry(&merchant.json).or_default() += 1;
            home += u32::from(merchant.country == "US");
        }
        let mut counts: Vec<u32> = seen.into_values().collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        let top: u32 = counts[..counts.len() / 10].iter().sum();
        assert!(top > 110_000, "a tenth of the merchants has more than half of the payments: {top}");
        assert!((0.93..0.97).contains(&(f64::from(home) / 200_000.0)), "{home}");
    }

    #[test]
    fn no_card_pays_four_times_in_five_minutes_by_chance() {
        let world = World::new(1);
        let (mut random, mut paid) = (Random::new(2), BTreeMap::<(usize, u64), u32>::new());
        for _ in 0..5 * 60 * 6_000 {
            let bin = world.pick_bin(&mut random);
            *paid.entry((bin, random.below(world.bins[bin].cards))).or_default() += 1;
        }
        assert!(paid.values().all(|count| *count < 4));
    }
}
