//! The orders that the window bench reads: two million JSON lines, the same on every machine.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// How many lines.
pub const ROWS: usize = 2_000_000;
const CUSTOMERS: u64 = 10_000;
/// Twenty one-minute windows of a hundred thousand orders each.
const ROWS_PER_MINUTE: usize = 100_000;
/// How far a row may stand before its turn, in milliseconds; the watermark of the bench's table waits longer.
const JITTER_MS: u64 = 2_000;

/// SplitMix64: seeded, fast, the same everywhere.
pub struct Random(u64);

impl Random {
    /// The sequence of one seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// The folder that holds the orders as one file, written when absent.
pub fn ensure(cache: &Path) -> Result<PathBuf, String> {
    let folder = cache.join("orders-1");
    let path = folder.join("orders.json");
    if !path.exists() {
        println!("writing {ROWS} orders to {}", path.display());
        // Outside of the table's folder until it is whole.
        let fresh = cache.join("orders-1.part");
        std::fs::create_dir_all(&folder)
            .and_then(|()| write(&fresh))
            .and_then(|()| std::fs::rename(&fresh, &path))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(folder)
}

fn write(path: &Path) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut random = Random::new(2_000_000);
    for row in 0..ROWS {
        let turn = (row as u64) * 60_000 / ROWS_PER_MINUTE as u64;
        let at = turn + JITTER_MS - random.next() % JITTER_MS;
        let (minute, second, milli) = (at / 60_000, at / 1000 % 60, at % 1000);
        writeln!(
            out,
            r#"{{"order_id":{},"customer":"customer-{:05}","product":"product-{:04}","quantity":{},"amount":{}.{:02},"ordered_at":"2026-01-01 00:{minute:02}:{second:02}.{milli:03}"}}"#,
            row + 1_000_000,
            random.next() % CUSTOMERS,
            random.next() % 1_000,
            random.next() % 9 + 1,
            random.next() % 900 + 100,
            random.next() % 100,
        )?;
    }
    out.flush()
}
