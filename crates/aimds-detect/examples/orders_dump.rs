//! What is weighed in texts for orders, for `training/orders/fit.py`: JSON lines with `id` and `text` in, `id`, `clauses` and
//! `sentences` out, each a list of what counts.

use std::error::Error;
use std::io::{BufRead, Write};

use aimds_detect::orders::candidates;
use aimds_text::{Limits, normalise};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let row: Value = serde_json::from_str(&line?)?;
        let text = row["text"].as_str().ok_or("a row without a text")?;
        let (mut clauses, mut sentences) = (Vec::new(), Vec::new());
        for view in normalise(text, &Limits::default()).views {
            for order in candidates(&view.canonical.text) {
                let kind = if order.signs.are_of_a_sentence() { &mut sentences } else { &mut clauses };
                kind.push(order.signs.names(order.actions));
            }
        }
        writeln!(out, "{}", json!({ "id": row["id"], "clauses": clauses, "sentences": sentences }))?;
    }
    Ok(())
}
