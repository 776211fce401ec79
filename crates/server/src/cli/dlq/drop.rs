//! `millrace dlq drop QUEUE`: gives messages up for good.

use super::super::client::{CliError, Client};
use super::{Chosen, counted};
use clap::Args;
use std::io::{BufRead, Write};

/// Delete messages for good
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    millrace dlq drop enrich-failed --id 5e1f09c3    one message, by the beginning of its id\n  \
    millrace dlq drop enrich-failed --yes            all of them, without a question")]
pub struct DropArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the command.
pub async fn run(args: DropArgs) -> Result<(), CliError> {
    let client = Client::new(&args.chosen.endpoint)?;
    let letters = args.chosen.all(&client).await?;
    if letters.is_empty() {
        println!("there is nothing to drop");
        return Ok(());
    }
    let question = format!("Delete {} from {} for good?", counted(letters.len() as u64, "message"), args.chosen.queue);
    if !args.yes && !confirmed(&question)? {
        println!("nothing was deleted");
        return Ok(());
    }
    let dropped = args.chosen.discard(&client, &letters).await?;
    println!("{} deleted", counted(dropped, "message"));
    Ok(())
}

/// Asks; anything but a yes is a no, and so is the end of the input.
fn confirmed(question: &str) -> Result<bool, CliError> {
    let failed = |source| CliError::Io { what: "the question cannot be asked", source };
    print!("{question} [y/N] ");
    std::io::stdout().flush().map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
