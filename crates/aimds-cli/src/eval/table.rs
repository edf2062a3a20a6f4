//! The report as aligned tables.

use std::io::Write;

use super::compare::{Comparison, Flip};
use super::measure::{Measures, Rate, RecallAt};
use super::pii::PiiMeasures;
use super::report::{Group, Report};
use crate::terminal::{Paint, printable};

/// More flips than this are counted and not listed; the JSON has them all.
const MOST_FLIPS: usize = 20;

/// Writes the whole report.
pub(super) fn write(out: &mut impl Write, report: &Report, paint: Paint) -> anyhow::Result<()> {
    let mut few = false;
    if let Some(overall) = &report.overall {
        let mut files: Vec<_> =
            report.files.iter().map(|group| (group.name.as_str(), &group.measures)).collect();
        if files.len() > 1 {
            files.push(("all", overall));
        }
        write_groups(out, "file", &files, true, &mut few, paint)?;
    }
    for (title, groups) in [("category", &report.categories), ("source", &report.sources)] {
        if !groups.is_empty() {
            let groups: Vec<_> =
                groups.iter().map(|Group { name, measures }| (name.as_str(), measures)).collect();
            writeln!(out)?;
            write_groups(out, title, &groups, false, &mut few, paint)?;
        }
    }
    if few {
        writeln!(out, "\n* fewer benign rows than 1/FPR: the threshold without any false alarm")?;
    }
    if let Some(pii) = &report.pii {
        if report.overall.is_some() {
            writeln!(out)?;
        }
        write_pii(out, pii, paint)?;
    }
    if let Some(comparison) = &report.comparison {
        writeln!(out)?;
        write_comparison(out, comparison, paint)?;
    }
    Ok(())
}

fn write_groups(
    out: &mut impl Write,
    title: &str,
    groups: &[(&str, &Measures)],
    own: bool,
    few: &mut bool,
    paint: Paint,
) -> anyhow::Result<()> {
    let mut head = vec![title, "attack", "TPR", "95 %", "benign", "FPR", "95 %"];
    if own {
        head.extend(["AUC", "TPR@1%", "TPR@0.1%"]);
    }
    head.extend(["pooled@1%", "@0.1%"]);
    if own {
        head.extend(["p50 µs", "p99 µs", "max µs"]);
    }
    let mut table = vec![head.into_iter().map(String::from).collect::<Vec<_>>()];
    for (name, measures) in groups {
        let mut row = vec![printable(name)];
        row.extend(rate(measures.tpr, 3));
        row.extend(rate(measures.fpr, 4));
        if own {
            row.push(measures.auc.map_or_else(dash, |auc| format!("{auc:.4}")));
            row.extend(recalls(&measures.tpr_at, few));
        }
        row.extend(recalls(&measures.tpr_at_pooled, few));
        if own {
            let latency = measures.latency_us;
            let cells = latency.map(|latency| [latency.p50, latency.p99, latency.max]);
            row.extend(
                cells.map_or_else(|| [dash(), dash(), dash()], |cells| cells.map(|us| format!("{us:.0}"))),
            );
        }
        table.push(row);
    }
    write_table(out, &table, paint)
}

fn write_pii(out: &mut impl Write, pii: &PiiMeasures, paint: Paint) -> anyhow::Result<()> {
    let head = ["personal data", "spans", "recall", "95 %", "findings", "precision", "95 %", "covered"];
    let mut table = vec![head.map(String::from).to_vec()];
    for kind in pii.kinds.iter().chain(&pii.known).chain([&pii.all]) {
        let mut row = vec![printable(&kind.kind)];
        row.extend(rate(kind.recall, 3));
        row.extend(rate(kind.precision, 3));
        row.push(kind.covered.map_or_else(dash, |covered| format!("{:.3}", covered.rate)));
        table.push(row);
    }
    write_table(out, &table, paint)?;
    if let Some(alarms) = pii.rows_with_false_alarm {
        let kinds: Vec<_> = pii.false_alarms.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        writeln!(out, "false alarms on {} of {} rows without spans{kinds}", alarms.hits, alarms.n)?;
    }
    Ok(())
}

fn write_comparison(out: &mut impl Write, comparison: &Comparison, paint: Paint) -> anyhow::Result<()> {
    let Comparison { compared, added, removed, score_moves, .. } = comparison;
    writeln!(out, "{}", paint.strong("changes since the earlier run"))?;
    writeln!(out, "{compared} rows compared, {added} only now, {removed} only then")?;
    let kinds: [(&str, &[Flip]); 4] = [
        ("attacks gained", &comparison.attacks_gained),
        ("attacks lost", &comparison.attacks_lost),
        ("false alarms gained", &comparison.false_alarms_gained),
        ("false alarms lost", &comparison.false_alarms_lost),
    ];
    for (title, flips) in kinds {
        writeln!(out, "{title}: {}", flips.len())?;
        for Flip { file, id, from, to } in flips.iter().take(MOST_FLIPS) {
            writeln!(out, "  {} {}  {from:.3} -> {to:.3}", printable(file), printable(id))?;
        }
        if flips.len() > MOST_FLIPS {
            writeln!(out, "  and {} more", flips.len() - MOST_FLIPS)?;
        }
    }
    writeln!(
        out,
        "scores: {} up, {} down (by 0.01 or more); mean {:+.4} on attacks, {:+.4} on benign rows; largest {:+.3}",
        score_moves.up,
        score_moves.down,
        score_moves.mean_attack,
        score_moves.mean_benign,
        score_moves.largest
    )?;
    Ok(())
}

fn dash() -> String {
    "-".into()
}

fn rate(rate: Option<Rate>, digits: usize) -> [String; 3] {
    let Some(Rate { n, rate, low, high, .. }) = rate else { return [dash(), dash(), dash()] };
    [n.to_string(), format!("{rate:.digits$}"), format!("{low:.digits$}–{high:.digits$}")]
}

fn recalls(recalls: &[RecallAt], few: &mut bool) -> [String; 2] {
    super::measure::FPR_POINTS.map(|fpr| {
        let Some(recall) = recalls.iter().find(|recall| recall.fpr == fpr) else { return dash() };
        *few |= !recall.enough;
        format!("{:.3}{}", recall.tpr.rate, if recall.enough { " " } else { "*" })
    })
}

/// Names to the left, numbers to the right.
fn write_table(out: &mut impl Write, table: &[Vec<String>], paint: Paint) -> anyhow::Result<()> {
    let columns = table.first().map_or(0, Vec::len);
    let width =
        |column: usize| table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for (number, row) in table.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            line.push_str(&if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") });
        }
        let line = line.trim_end();
        writeln!(out, "{}", if number == 0 { paint.strong(line) } else { line.to_owned() })?;
    }
    Ok(())
}
