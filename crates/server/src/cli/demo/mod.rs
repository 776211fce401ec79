//! `millrace demo`
use super::client::CliError;
use clap::Args;
/// x
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// x
    #[arg(long)]
    pub exit: bool,
}
/// x
pub async fn run(_: DemoArgs) -> Result<(), CliError> { Ok(()) }
