//! The page's files, as they are in the binary: each packed once, with a tag that changes when it does.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Write;
use std::sync::LazyLock;

/// A file's path below `assets/`, and what is in it.
type Source = (&'static str, &'static [u8]);

macro_rules! files {
    ($($path:literal)*) => { &[$(($path, include_bytes!(concat!("../assets/", $path)).as_slice())),*] };
}

/// All files. A test holds the list against the folder.
const FILES: &[Source] = files! {
    "index.html"
    "app.css"
    "app.js"
    "views.js"
    "favicon.svg"
    "lib/aws.js"
    "lib/chart.js"
    "lib/dashboards.js"
    "lib/documents.js"
    "lib/failures.js"
    "lib/file.js"
    "lib/format.js"
    "lib/graph.js"
    "lib/html.js"
    "lib/keys.js"
    "lib/lines.js"
    "lib/live.js"
    "lib/metrics.js"
    "lib/millrace.js"
    "lib/patch.js"
    "lib/route.js"
    "lib/s3.js"
    "lib/search.js"
    "lib/session.js"
    "lib/sign.js"
    "lib/tables.js"
    "lib/theme.js"
    "lib/topology.js"
    "lib/ui.js"
    "views/login.js"
    "views/pipeline-edges.js"
    "views/pipeline.js"
    "views/streams.js"
    "views/stream-records.js"
    "views/job-checkpoints.js"
    "views/job-plan.js"
    "views/jobs.js"
    "views/sql.js"
    "views/alarms.js"
    "views/functions.js"
    "views/function-calls.js"
    "views/dead-letters.js"
    "views/search-bar.js"
    "views/search.js"
    "views/schemas.js"
    "views/dashboards.js"
    "views/dashboard-edit.js"
    "views/dashboard-panels.js"
    "views/delivery.js"
    "views/delivery-objects.js"
    "vendor/preact-htm/standalone.module.js"
    "vendor/preact-htm/LICENSE-htm"
    "vendor/preact-htm/LICENSE-preact"
    "vendor/uplot/uPlot.esm.js"
    "vendor/uplot/uPlot.min.css"
    "vendor/uplot/LICENSE"
    "vendor/noble-hashes/sha2.js"
    "vendor/noble-hashes/hmac.js"
    "vendor/noble-hashes/_md.js"
    "vendor/noble-hashes/_u64.js"
    "vendor/noble-hashes/utils.js"
    "vendor/noble-hashes/LICENSE"
};

/// A file, ready to be sent.
pub struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// Its entity tag, with its quotes.
    pub etag: String,
    /// As it is.
    pub plain: Bytes,
    /// Packed.
    pub gzip: Bytes,
}

/// The file at a path below `assets/`.
pub fn find(path: &str) -> Option<&'static Asset> {
    static ASSETS: LazyLock<HashMap<&'static str, Asset>> =
        LazyLock::new(|| FILES.iter().map(|source| (source.0, Asset::of(*source))).collect());
    ASSETS.get(path)
}

impl Asset {
    fn of((path, content): Source) -> Self {
        let tag: String = Sha256::digest(content)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            content_type: content_type(path),
            etag: format!("\"{tag}\""),
            plain: Bytes::from_static(content),
            gzip: packed(content).into(),
        }
    }
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// What whoever opens the page for the first time waits for, at the most.
    const GZIPPED_BYTES_MAX: usize = 400 * 1000;

    #[allow(clippy::disallowed_methods, reason = "the sources' folder is no data folder")]
    fn in_folder(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => in_folder(&entry.path(), &format!("{path}/"), found),
                false => found.push(path),
            }
        }
    }

    #[test]
    fn every_file_is_in_the_binary() {
        let mut there = Vec::new();
        in_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets"), "", &mut there);
        there.retain(|path| path != "README.md");
        let mut listed: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        there.sort();
        listed.sort_unstable();
        assert_eq!(there, listed);
    }

    #[test]
    fn the_page_stays_small() {
        let sizes: Vec<(&str, usize)> = FILES.iter().map(|(path, content)| (*path, packed(content).len())).collect();
        let whole: usize = sizes.iter().map(|(_, size)| size).sum();
        assert!(whole < GZIPPED_BYTES_MAX, "{whole} bytes, packed: {sizes:?}");
    }

    /// The page's policy lets no script or style stand in the document.
    #[test]
    fn the_document_holds_no_script_and_no_style() {
        let document = std::str::from_utf8(&find("index.html").unwrap().plain).unwrap();
        for script in document.split("<script").skip(1) {
            assert!(script.split('>').next().unwrap().contains("src="), "{script}");
        }
        assert!(!document.contains("<style") && !document.contains(" style=") && !document.contains(" onload="));
    }

    #[test]
    fn what_is_imported_is_there() {
        for (path, content) in FILES.iter().filter(|(path, _)| path.ends_with(".js") && !path.starts_with("vendor/")) {
            let text = std::str::from_utf8(content).unwrap();
            for imported in text.split("from '").skip(1).chain(text.split("import('").skip(1)) {
                let imported = imported.split('\'').next().unwrap();
                let folder = Path::new(path).parent().unwrap();
                let mut whole: Vec<&str> = folder.iter().map(|part| part.to_str().unwrap()).collect();
                for part in imported.split('/') {
                    match part {
                        "." => {}
                        ".." => drop(whole.pop()),
                        name => whole.push(name),
                    }
                }
                assert!(find(&whole.join("/")).is_some(), "{path} imports {imported}");
            }
        }
    }
}
