//! Reproducible recipes for what ships in `models/`.

mod calibrate;
mod compose;
mod data;
mod lexical;
mod measure;
mod network;
mod prepare;
mod random;

use clap::Parser;

/// Trains what ships in `models/`.
#[derive(Parser)]
enum Recipe {
    /// The lexical model.
    Lexical(lexical::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Recipe::parse() {
        Recipe::Lexical(arguments) => lexical::run(&arguments),
    }
}
