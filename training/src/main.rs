//! Reproducible recipes for what ships in `models/`.

mod calibrate;
mod compose;
mod data;
mod known;
mod lexical;
mod measure;
mod names;
mod network;
mod prepare;
mod prequential;
mod random;
mod views;

use clap::Parser;

/// Trains what ships in `models/`.
#[derive(Parser)]
enum Recipe {
    /// The lexical model.
    Lexical(lexical::Arguments),
    /// The known attacks.
    Known(known::Arguments),
    /// The tagger of names and addresses.
    Names(names::Arguments),
    /// How fast the learner catches a new family of attacks.
    Prequential(prequential::Arguments),
    /// The readings that the encoder is trained on.
    Views(views::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Recipe::parse() {
        Recipe::Lexical(arguments) => lexical::run(&arguments),
        Recipe::Known(arguments) => known::run(&arguments),
        Recipe::Names(arguments) => names::run(&arguments),
        Recipe::Prequential(arguments) => prequential::run(&arguments),
        Recipe::Views(arguments) => views::run(&arguments),
    }
}
