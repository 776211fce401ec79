//! A server that is killed and comes back at the same address, on the same data.

use crate::bench::server::{Server, free_port};
use std::path::{Path, PathBuf};

/// What Millrace takes as keys of another store that verifies nothing.
const STORE_KEYS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "any"), ("AWS_SECRET_ACCESS_KEY", "any"), ("AWS_REGION", "us-east-1")];

/// The server of a payments day: auth and encryption are on.
pub struct Doomed {
    binary: PathBuf,
    data: PathBuf,
    port: u16,
    search_port: u16,
    store: Option<String>,
    running: Option<Server>,
    peak_mb: f64,
}

impl Doomed {
    /// Starts it on an empty folder; with `store` the lake lies in the S3 store there.
    pub fn start(binary: &Path, data: &Path, store: Option<&str>) -> Result<Self, String> {
        empty(data)?;
        let (port, search_port) = (free_port()?, free_port()?);
        let store = store.map(str::to_owned);
        let (binary, data) = (binary.to_owned(), data.to_owned());
        let mut server = Self { binary, data, port, search_port, store, running: None, peak_mb: 0.0 };
        server.run()?;
        Ok(server)
    }

    fn run(&mut self) -> Result<(), String> {
        let (data, search_port) = (self.data.to_string_lossy().into_owned(), self.search_port.to_string());
        let mut arguments =
            vec!["up", "--data", &data, "--search-port", &search_port, "--auth", "on", "--encryption", "on"];
        let environment: &[(&str, &str)] = match &self.store {
            Some(store) => {
                arguments.extend(["--s3-endpoint", store]);
                &STORE_KEYS
            }
            None => &[],
        };
        self.running = Some(Server::start_at(&self.binary, &arguments, self.port, environment)?);
        Ok(())
    }

    /// Kills it with SIGKILL and starts it again.
    pub fn restart(&mut self) -> Result<(), String> {
        self.peak_mb = self.peak_mb();
        println!("   SIGKILL");
        self.running = None;
        self.run()
    }

    /// The most memory that any of its processes held.
    pub fn peak_mb(&self) -> f64 {
        self.running.as_ref().map_or(0.0, Server::peak_mb).max(self.peak_mb)
    }

    /// Its AWS APIs.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its OpenSearch API.
    pub fn search_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.search_port)
    }

    /// The file with its root key.
    pub fn credentials(&self) -> PathBuf {
        self.data.join("credentials")
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

/// Makes a folder that is empty.
pub fn empty(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    }
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))
}
