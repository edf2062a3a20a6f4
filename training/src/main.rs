//! Reproducible recipes for what ships in `models/`.

mod data;
mod linear;
mod measure;
mod pooled;
mod prepare;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use linear::{Linear, Options};
use prepare::Prepared;

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
    #[arg(long, default_value_t = 5)]
    net_epochs: usize,
    #[arg(long, default_value_t = 0.05)]
    net_rate: f32,
    #[arg(long, default_value_t = 0.3)]
    net_dropout: f32,
    #[arg(long)]
    epochs: Option<usize>,
    #[arg(long)]
    rate: Option<f32>,
    #[arg(long)]
    dropout: Option<f32>,
    #[arg(long)]
    decay: Option<f32>,
    #[arg(long)]
    temper: Option<f32>,
    #[arg(long)]
    windows: Option<f32>,
    #[arg(long)]
    attacks: Option<f32>,
}

fn combined(model: &Linear, prepared: &Prepared) -> (f32, f32) {
    prepared.readings.iter().fold((f32::NEG_INFINITY, f32::NEG_INFINITY), |best, reading| {
        let whole = model.logit(&reading.sentences);
        let peak = if reading.sentences.len() > 1 { model.peak(&reading.sentences).0 } else { whole };
        (best.0.max(whole), best.1.max(peak))
    })
}

/// Quantises, calibrates on `dev` and writes the model file.
fn write(heads: &[&Linear; 2], dev: &[Prepared], path: &std::path::Path) -> Result<()> {
    let mut scales = [[0.0f32; 4]; 2];
    let mut table = vec![[0i8; 2]; 1 << aimds_detect::lexical::TABLE_BITS];
    for (head, (model, scale)) in heads.iter().zip(&mut scales).enumerate() {
        let mut sizes: Vec<f32> = model.weights.iter().map(|weight| weight.abs()).filter(|&size| size > 0.0).collect();
        sizes.sort_by(f32::total_cmp);
        // Clip the largest few, so that the steps are fine where most weights are.
        let largest = sizes[(sizes.len() as f64 * 0.9995) as usize];
        let step = largest / 127.0;
        for (entry, weight) in table.iter_mut().zip(&model.weights) {
            entry[head] = (weight / step).round().clamp(-127.0, 127.0) as i8;
        }
        let scores: Vec<(f32, bool)> = dev.iter().map(|row| { let (whole, peak) = combined(model, row); (whole.max(peak - 1.0), row.row.is_attack()) }).collect();
        let (slope, offset) = platt(&scores);
        *scale = [step, model.bias, slope, offset];
        eprintln!("head {head}: step {step} bias {} slope {slope} offset {offset}", model.bias);
    }
    std::fs::write(path, aimds_detect::lexical::serialise(&scales, &table))?;
    Ok(())
}

/// Platt scaling: logistic regression of the label on the logit, by Newton's method.
fn platt(scores: &[(f32, bool)]) -> (f32, f32) {
    let (mut slope, mut offset) = (1.0f64, 0.0f64);
    for _ in 0..50 {
        let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, 0.0, 1e-6, 0.0, 1e-6);
        for &(logit, label) in scores {
            let x = f64::from(logit);
            let p = 1.0 / (1.0 + (-(slope * x + offset)).exp());
            let (error, weight) = (p - f64::from(u8::from(label)), p * (1.0 - p));
            g0 += error * x; g1 += error;
            h00 += weight * x * x; h01 += weight * x; h11 += weight;
        }
        let det = h00 * h11 - h01 * h01;
        slope -= (h11 * g0 - h01 * g1) / det;
        offset -= (h00 * g1 - h01 * g0) / det;
    }
    (slope as f32, offset as f32)
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut options = Options::default();
    for (slot, value) in [
        (&mut options.rate, arguments.rate), (&mut options.dropout, arguments.dropout), (&mut options.decay, arguments.decay),
        (&mut options.temper, arguments.temper), (&mut options.windows, arguments.windows), (&mut options.attacks, arguments.attacks),
    ] {
        if let Some(value) = value { *slot = value; }
    }
    options.epochs = arguments.epochs.unwrap_or(options.epochs);
    let read = |name: &str, crop| -> Result<Vec<Prepared>> { Ok(prepare::prepare(data::read(&arguments.data.join(name))?, crop)) };
    let start = std::time::Instant::now();
    let mut rows = read("train.jsonl.zst", prepare::TRAINING_CROP)?;
    rows.extend(read("extra_train.jsonl.zst", prepare::TRAINING_CROP)?);
    rows.extend(read("extra_harmful_requests.jsonl.zst", prepare::TRAINING_CROP)?);
    let dev = read("dev.jsonl.zst", usize::MAX)?;
    let mut ood = Vec::new();
    let mut names: Vec<_> = std::fs::read_dir(arguments.data.join("ood_dev"))?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    names.sort();
    for path in names { ood.extend(prepare::prepare(data::read(&path)?, usize::MAX)); }
    eprintln!("prepared {} rows in {:?}", rows.len(), start.elapsed());
    let start = std::time::Instant::now();
    let members: Vec<&Prepared> = rows.iter().collect();
    let attack = |row: &Prepared| row.row.is_attack();
    let weights = linear::weights(&members, &options, attack, |_| 1.0);
    let net_options = Options { epochs: arguments.net_epochs, rate: arguments.net_rate, dropout: arguments.net_dropout, ..options.clone() };
    let (model, net) = rayon::join(|| linear::train(&members, &weights, &options, attack), || pooled::train(&members, &weights, &net_options, attack));
    eprintln!("trained in {:?} with {options:?}", start.elapsed());
    let score_net = |prepared: &Prepared| prepared.readings.iter().fold(f32::NEG_INFINITY, |best: f32, reading| {
        let whole = net.logit(&reading.sentences);
        let peak = if reading.sentences.len() > 1 { net.peak(&reading.sentences).0 } else { whole };
        best.max(whole).max(peak - 1.0)
    });
    let score_lin = |row: &Prepared| { let (w, p) = combined(&model, row); w.max(p - 1.0) };
    for (name, share) in [("linear", 0.0f32), ("net", 1.0), ("avg .3", 0.3), ("avg .5", 0.5), ("avg .7", 0.7)] {
        let score = |row: &Prepared| (1.0 - share) * score_lin(row) + share * score_net(row);
        let of = |set: &[Prepared], attack: bool| -> Vec<f32> { set.iter().filter(|row| row.row.is_attack() == attack).map(&score).collect() };
        let (attacks, benign) = (of(&dev, true), of(&dev, false));
        let (ood_attacks, ood_benign) = (of(&ood, true), of(&ood, false));
        let t = |rate| measure::threshold(&benign, rate);
        println!("{name}: dev auc {:.4} tpr@1% {:.3} @.4% {:.3} @.1% {:.3} | ood auc {:.3} own1% {:.3} own5% {:.3} | at dev1%: tpr {:.3} fpr {:.3} at dev.4% tpr {:.3} fpr {:.3}",
            measure::auc(&attacks, &benign), measure::share(&attacks, t(0.01)), measure::share(&attacks, t(0.004)), measure::share(&attacks, t(0.001)),
            measure::auc(&ood_attacks, &ood_benign), measure::share(&ood_attacks, measure::threshold(&ood_benign, 0.01)), measure::share(&ood_attacks, measure::threshold(&ood_benign, 0.05)),
            measure::share(&ood_attacks, t(0.01)), measure::share(&ood_benign, t(0.01)), measure::share(&ood_attacks, t(0.004)), measure::share(&ood_benign, t(0.004)));
    }
    Ok(())
}
