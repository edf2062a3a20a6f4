//! Recipe of the lexical model: train, calibrate on unseen sources, quantise, measure, write.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aimds_detect::lexical::{EVIDENCE, HEADS, LexicalModel, WIDTH};
use aimds_detect::rules::RuleFile;
use anyhow::{Context, Result};
use rayon::prelude::*;
use serde_json::json;

use crate::calibrate::{evidence_of, fit};
use crate::data::Families;
use crate::network::{Network, Options, train};
use crate::prepare::{Prepared, Rules, TRAINING_CROP, prepare};
use crate::{compose, data, measure};

/// Settings of the recipe; the defaults are what ships.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder with the labelled data.
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
    /// Folder with the rules.
    #[arg(long, default_value = "rules")]
    rules: PathBuf,
    /// Folder that the model and its card are written to; nothing is written without it.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Passes over the data.
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// Step size.
    #[arg(long, default_value_t = 0.1)]
    rate: f32,
    /// Share of n-grams that is dropped from each example.
    #[arg(long, default_value_t = 0.3)]
    dropout: f32,
    /// Weight of windows beside whole texts.
    #[arg(long, default_value_t = 0.5)]
    windows: f32,
    /// Sources weigh as their size to this power.
    #[arg(long, default_value_t = 0.6)]
    temper: f32,
    /// Weight of all attacks together; all benign texts together weigh 1.
    #[arg(long, default_value_t = 0.3)]
    attacks: f32,
    /// Harmful requests without manipulation that are composed as benign rows.
    #[arg(long, default_value_t = 2500)]
    harmful: usize,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rows that `training/encoder/compose.py` made.
    #[arg(long)]
    composed: Option<PathBuf>,
    /// Calibrate on dev alone, for quick experiments.
    #[arg(long)]
    no_folds: bool,
    /// Weight of unseen sources in calibration; dev weighs 1.
    #[arg(long, default_value_t = 0.1)]
    foreign: f32,
    /// File for the calibrated logits of dev and of every row that a network judged without having seen its source; the deep
    /// path is joined with them.
    #[arg(long)]
    logits: Option<PathBuf>,
    /// Also print the benign rows of dev that alarm most.
    #[arg(long)]
    show: bool,
}

/// Runs the recipe.
pub fn run(arguments: &Arguments) -> Result<()> {
    let rules = Rules::new(&rule_files(&arguments.rules)?)?;
    let start = Instant::now();
    let read = |name: &str, crop| -> Result<Vec<Prepared>> {
        Ok(prepare(data::read(&arguments.data.join(name))?, &rules, crop))
    };
    let mut rows = Vec::new();
    for name in ["train.jsonl.zst", "extra_train.jsonl.zst", "extra_harmful_requests.jsonl.zst"] {
        rows.extend(read(name, TRAINING_CROP)?);
    }
    if let Some(path) = &arguments.composed {
        rows.extend(prepare(data::read(path)?, &rules, TRAINING_CROP));
    }
    rows.extend(prepare(compose::harmful_requests(arguments.harmful, arguments.seed), &rules, TRAINING_CROP));
    let dev = read("dev.jsonl.zst", usize::MAX)?;
    let mut unseen = Vec::new();
    for path in sorted(&arguments.data.join("ood_dev"))? {
        unseen.extend(prepare(data::read(&path)?, &rules, usize::MAX));
    }
    eprintln!("prepared {} rows in {:.0?}", rows.len(), start.elapsed());

    let options = Options {
        epochs: arguments.epochs,
        rate: arguments.rate,
        dropout: arguments.dropout,
        windows: arguments.windows,
        seed: arguments.seed,
    };
    let weights = weights(&rows, arguments);
    let families = Families::shipped();
    let fit_without = |left_out: Option<usize>| -> Network {
        let start = Instant::now();
        let chosen: Vec<_> = rows
            .iter()
            .zip(&weights)
            .filter(|(row, _)| left_out.is_none_or(|fold| !families.left_out(fold, &row.row)))
            .map(|(row, &weights)| (row, weights))
            .collect();
        let network = train(&chosen, &options, |_| ());
        eprintln!("trained on {} rows in {:.0?}", chosen.len(), start.elapsed());
        network
    };
    let folds = if arguments.no_folds { 0 } else { families.folds.len() };
    let mut left_out: Vec<Option<usize>> = (0..folds).map(Some).collect();
    left_out.push(None);
    let mut networks: Vec<Network> = left_out.into_par_iter().map(fit_without).collect();
    let network = networks.pop().context("no network")?;

    // Known sources say how far the network can be trusted where it is at home; unseen sources, that it is not always.
    let known: Vec<_> = dev.par_iter().map(|row| (row, [1.0; HEADS], evidence_of(&network, row))).collect();
    let judge = |(row, &weights): (_, &[f32; HEADS])| {
        let row: &Prepared = row;
        let fold = (0..folds).find(|&fold| families.left_out(fold, &row.row))?;
        Some((row, weights, evidence_of(&networks[fold], row)))
    };
    let foreign: Vec<_> = rows.par_iter().zip(&weights).filter_map(judge).collect();
    let calibration: [[f32; EVIDENCE]; HEADS] = std::array::from_fn(|head| {
        let mut examples = Vec::new();
        for (set, share) in [(&known, 1.0), (&foreign, arguments.foreign)] {
            let total: f32 = set.iter().map(|(_, weights, _)| weights[head]).sum();
            examples.extend(set.iter().map(|(row, weights, evidence)| {
                (evidence[head], row.row.is_attack(), weights[head] / total.max(f32::MIN_POSITIVE) * share)
            }));
        }
        fit(&examples)
    });
    for weights in &calibration {
        println!("calibration: {weights:.3?}");
    }

    if let Some(path) = &arguments.logits {
        let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
        let logit = |head: usize, evidence: &[[f32; EVIDENCE]; HEADS]| -> f32 {
            calibration[head].iter().zip(&evidence[head]).map(|(a, b)| a * b).sum()
        };
        for (set, rows) in [("dev", &known), ("foreign", &foreign)] {
            for (row, _, evidence) in rows {
                let logits: [f32; HEADS] = std::array::from_fn(|head| logit(head, evidence));
                writeln!(out, "{}", json!({ "set": set, "id": row.row.id, "logits": logits }))?;
            }
        }
        out.flush()?;
    }

    let model = quantise(&network).with_calibration(calibration);
    let probability = |weights: &[f32; EVIDENCE], evidence: &[f32; EVIDENCE]| -> f32 {
        let z: f32 = weights.iter().zip(evidence).map(|(a, b)| a * b).sum();
        1.0 / (1.0 + (-z).exp())
    };
    let score = |rows: &[Prepared]| -> Vec<(f32, f32)> {
        rows.par_iter()
            .map(|row| {
                let [user, data] = evidence_of(&network, row);
                (probability(&calibration[0], &user), probability(&calibration[1], &data))
            })
            .collect()
    };
    let (dev_scores, unseen_scores) = (score(&dev), score(&unseen));
    leave_one_out(&families, &networks, &rows, &dev, &calibration);
    let report = report(&dev, &dev_scores, &unseen, &unseen_scores);
    if arguments.show {
        let mut top: Vec<_> = dev.iter().zip(&dev_scores).filter(|(row, _)| !row.row.is_attack()).collect();
        top.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        for (row, (score, _)) in top.into_iter().take(60) {
            println!("{score:.4} {} {:?}: {:?}", row.row.source, row.rules[0], row.row.text);
        }
    }
    if let Some(out) = &arguments.out {
        let bytes = model.serialise();
        std::fs::write(out.join("lexical.bin"), &bytes)?;
        let card = json!({
            "recipe": "cargo xtask train lexical",
            "sha256": sha256(&bytes),
            "options": {
                "epochs": options.epochs, "rate": options.rate, "dropout": options.dropout, "windows": options.windows,
                "temper": arguments.temper, "attacks": arguments.attacks, "seed": options.seed, "folds": folds, "foreign": arguments.foreign,
                "harmful": arguments.harmful,
            },
            "rows": rows.len(),
            "calibration": calibration,
            "measured": report,
        });
        std::fs::write(out.join("lexical.json"), serde_json::to_string_pretty(&card)? + "\n")?;
    }
    Ok(())
}

/// The fingerprint that a card gives of its weights.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Weight of each row for each head: its source's, with attacks and benign texts in the chosen proportion.
fn weights(rows: &[Prepared], arguments: &Arguments) -> Vec<[f32; HEADS]> {
    let mut sizes = HashMap::<(&str, bool), f32>::new();
    for row in rows {
        *sizes.entry((&row.row.source, row.row.is_attack())).or_default() += 1.0;
    }
    let mut weights: Vec<[f32; HEADS]> = rows
        .iter()
        .map(|row| {
            let source = sizes[&(row.row.source.as_str(), row.row.is_attack())].powf(arguments.temper - 1.0);
            if let Some(weights) = row.row.weights {
                return weights.map(|weight| source * weight);
            }
            // What people ask of a model is rare in what a tool returns; documents are what the second head must know.
            let data = match row.row.category.as_str() {
                "indirect_injection" => 3.0,
                "benign_chat" | "benign_instruction" | "harmful_request" => 0.3,
                _ => 1.0,
            };
            [source, source * data]
        })
        .collect();
    for head in 0..HEADS {
        for attack in [true, false] {
            let of = |row: &Prepared| row.row.is_attack() == attack;
            let total: f32 =
                rows.iter().zip(&weights).filter(|(row, _)| of(row)).map(|(_, weights)| weights[head]).sum();
            let share = if attack { arguments.attacks } else { 1.0 };
            let factor = share * rows.len() as f32 / 2.0 / total.max(f32::MIN_POSITIVE);
            for (_, weights) in rows.iter().zip(&mut weights).filter(|(row, _)| of(row)) {
                weights[head] *= factor;
            }
        }
    }
    weights
}

/// Prints how many attacks of each family are found by the network that has seen none of it, at the threshold that 1 % of the
/// benign rows of dev reach.
fn leave_one_out(
    families: &Families,
    networks: &[Network],
    rows: &[Prepared],
    dev: &[Prepared],
    calibration: &[[f32; EVIDENCE]; HEADS],
) {
    let score = |network: &Network, row: &Prepared| -> f32 {
        calibration[0].iter().zip(evidence_of(network, row)[0]).map(|(a, b)| a * b).sum()
    };
    let mut shares = Vec::new();
    for (network, fold) in networks.iter().zip(&families.folds) {
        let benign: Vec<f32> =
            dev.par_iter().filter(|row| !row.row.is_attack()).map(|row| score(network, row)).collect();
        let threshold = measure::threshold(&benign, 0.01);
        for family in fold {
            let own: Vec<&Prepared> =
                rows.iter().filter(|row| row.row.is_attack() && families.owns(family, &row.row)).collect();
            let scores: Vec<f32> = own.par_iter().map(|row| score(network, row)).collect();
            if scores.len() >= 20 {
                shares.push(measure::share(&scores, threshold));
                println!("  left out {family}: {:.3} of {}", shares[shares.len() - 1], scores.len());
            }
        }
    }
    println!("left out, macro average: {:.3}", shares.iter().sum::<f64>() / shares.len().max(1) as f64);
}

/// One byte for each number of the table.
fn quantise(network: &Network) -> LexicalModel {
    let mut sizes: Vec<f32> = network.table.as_flattened().iter().map(|number| number.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    // Clip the largest few, so that the steps are fine where most numbers are.
    let step = sizes[(sizes.len() as f64 * 0.9999) as usize] / 127.0;
    let table: Vec<[i8; WIDTH]> = network
        .table
        .iter()
        .map(|vector| vector.map(|number| (number / step).round().clamp(-127.0, 127.0) as i8))
        .collect();
    LexicalModel::new(step, network.dense.clone(), [[0.0; EVIDENCE]; HEADS], table)
}

/// Prints and returns how well the model separates, on dev and on sources that it has not seen.
fn report(
    dev: &[Prepared],
    dev_scores: &[(f32, f32)],
    unseen: &[Prepared],
    unseen_scores: &[(f32, f32)],
) -> serde_json::Value {
    let of = |rows: &[Prepared], scores: &[(f32, f32)], attack: bool| -> Vec<f32> {
        rows.iter()
            .zip(scores)
            .filter(|(row, _)| row.row.is_attack() == attack)
            .map(|(_, score)| score.0)
            .collect()
    };
    let (attacks, benign) = (of(dev, dev_scores, true), of(dev, dev_scores, false));
    let (far_attacks, far_benign) = (of(unseen, unseen_scores, true), of(unseen, unseen_scores, false));
    let mut rates = Vec::new();
    for rate in [0.01, 0.005, 0.003, 0.001] {
        let threshold = measure::threshold(&benign, rate);
        let row = json!({
            "dev_fpr": rate, "threshold": threshold, "dev_tpr": measure::share(&attacks, threshold),
            "ood_tpr": measure::share(&far_attacks, threshold), "ood_fpr": measure::share(&far_benign, threshold),
        });
        println!("{row}");
        rates.push(row);
    }
    let (near, far) = (measure::auc(&attacks, &benign), measure::auc(&far_attacks, &far_benign));
    println!(
        "auc: dev {near:.4} ood {far:.4}; ood tpr at its own 1 %: {:.3}",
        measure::share(&far_attacks, measure::threshold(&far_benign, 0.01))
    );
    let at = measure::threshold(&benign, 0.005);
    let mut sources = BTreeMap::<(String, bool), Vec<(f32, f32)>>::new();
    for (row, score) in unseen.iter().zip(unseen_scores) {
        sources.entry((row.row.source.clone(), row.row.is_attack())).or_default().push(*score);
    }
    for (row, score) in dev.iter().zip(dev_scores) {
        sources.entry((format!("dev {}", row.row.category), row.row.is_attack())).or_default().push(*score);
    }
    for ((source, attack), scores) in sources {
        let share =
            |pick: fn(&(f32, f32)) -> f32| measure::share(&scores.iter().map(pick).collect::<Vec<_>>(), at);
        println!(
            "  {source} {}: {} rows, user head {:.3}, data head {:.3}",
            if attack { "attack" } else { "benign" },
            scores.len(),
            share(|score| score.0),
            share(|score| score.1)
        );
    }
    json!({ "auc_dev": near, "auc_ood_dev": far, "at": rates })
}

fn rule_files(root: &Path) -> Result<Vec<RuleFile>> {
    let mut files = Vec::new();
    for family in sorted(root)?.into_iter().filter(|path| path.is_dir()) {
        for path in sorted(&family)? {
            let text = std::fs::read_to_string(&path)?;
            files.push(RuleFile::parse(&text).with_context(|| format!("failed to read {}", path.display()))?);
        }
    }
    Ok(files)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cards_belong_to_the_models_that_ship() {
        let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        let card = |name: &str| -> serde_json::Value {
            serde_json::from_slice(&std::fs::read(models.join(name)).unwrap()).unwrap()
        };
        let hash = |name: &str| super::sha256(&std::fs::read(models.join(name)).unwrap());
        for name in ["lexical", "known"] {
            assert_eq!(card(&format!("{name}.json"))["sha256"], hash(&format!("{name}.bin")));
        }
        for name in ["encoder-words.bin", "encoder.onnx"] {
            assert_eq!(card("encoder.json")["sha256"][name], hash(name));
        }
    }
}
