//! What counts in the orders of texts, for `training/orders/fit.py`: JSON lines with `id` and `text` in; out `id`, `clauses` and
//! the `confidence` of the likeliest order.

use std::error::Error;
use std::io::{BufRead, Write};

use aimds_detect::orders::orders;
use aimds_text::{Limits, normalise};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let row: Value = serde_json::from_str(&line?)?;
        let text = row["text"].as_str().ok_or("a row without a text")?;
        let (mut clauses, mut likeliest) = (Vec::new(), 0.0_f32);
        for view in normalise(text, &Limits::default()).views {
            for order in orders(&view.canonical.text).found {
                likeliest = likeliest.max(order.confidence);
                clauses.push(order.signs.names(order.actions));
            }
        }
        writeln!(out, "{}", json!({ "id": row["id"], "clauses": clauses, "confidence": likeliest }))?;
    }
    Ok(())
}
