//! Recipe of the known attacks: the most suspicious part of every attack, near ones as one, none that clean text holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use aimds_detect::known::{self, CUTOFF, FEWEST_WORDS, KnownAttacks, MOST_WORDS};
use aimds_detect::lexical::{Head, LexicalModel};
use aimds_sequence::{PatternLibrary, medoids};
use aimds_text::{Limits, View, normalise};
use anyhow::{Context as _, Result};
use rayon::prelude::*;
use serde_json::json;

use crate::data::{self, Row};
use crate::lexical::sha256;
use crate::prepare::TRAINING_CROP;

/// Sources whose most suspicious part is often a harmful request inside of a pretext: without the pretext no attack.
const NOT_FROM: [&str; 1] = ["aisafetylab_results"];

/// Settings of the recipe; the defaults are what ships.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder with the labelled data.
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
    /// Folder with the lexical model, to which library and card are written.
    #[arg(long, default_value = "models")]
    models: PathBuf,
    /// Parts of attacks that are nearer than this are one, in edits as a share of the words.
    #[arg(long, default_value_t = 0.4)]
    near: f64,
    /// Logit of the lexical model from which a part of an attack is worth knowing.
    #[arg(long, default_value_t = 2.0)]
    suspicious: f32,
    /// Files whose rows are searched, for the card.
    #[arg(long)]
    measure: Vec<PathBuf>,
    /// Known attacks at most; those that stand for the most come first.
    #[arg(long, default_value_t = 8000)]
    most: usize,
}

/// The most suspicious part of one attack.
struct Part {
    tokens: Vec<u32>,
    class: &'static str,
    source: String,
}

/// Runs the recipe.
pub fn run(arguments: &Arguments) -> Result<()> {
    let path = arguments.models.join("lexical.bin");
    let bytes = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let model = LexicalModel::parse(&bytes)?;
    let mut rows = Vec::new();
    for name in ["train.jsonl.zst", "extra_train.jsonl.zst", "extra_harmful_requests.jsonl.zst"] {
        rows.extend(data::read(&arguments.data.join(name))?);
    }
    let (attacks, benign): (Vec<Row>, Vec<Row>) = rows
        .into_iter()
        .filter(|row| !row.is_attack() || !NOT_FROM.contains(&row.source.as_str()))
        .partition(Row::is_attack);
    let parts: Vec<Part> =
        attacks.par_iter().filter_map(|row| part(row, &model, arguments.suspicious)).collect();
    println!("{} attacks, {} parts", attacks.len(), parts.len());
    let tokens: Vec<&[u32]> = parts.iter().map(|part| part.tokens.as_slice()).collect();
    let mut clusters = medoids(&tokens, arguments.near);
    // Sources first: what several of them say is no accident of one.
    let sources =
        |members: &[usize]| members.iter().map(|&at| &parts[at].source).collect::<BTreeSet<_>>().len();
    clusters
        .sort_by_cached_key(|cluster| std::cmp::Reverse((sources(&cluster.members), cluster.members.len())));
    println!("{} clusters", clusters.len());

    let mut builder = PatternLibrary::builder();
    for (number, cluster) in clusters.iter().enumerate() {
        builder.insert(&number.to_string(), parts[cluster.medoid].class, &parts[cluster.medoid].tokens)?;
    }
    let all = KnownAttacks::new(builder.build()?)?;
    let clean: BTreeSet<usize> = benign
        .par_iter()
        .flat_map_iter(|row| {
            let views = normalise(crop(&row.text), &Limits::default()).views;
            let ids = |text: &str| -> Vec<usize> {
                all.find(text, CUTOFF, usize::MAX).iter().filter_map(|hit| hit.id.parse().ok()).collect()
            };
            views.iter().flat_map(|view| ids(&view.canonical.text)).collect::<Vec<_>>()
        })
        .collect();
    println!("{} of them in clean texts", clean.len());

    let mut builder = PatternLibrary::builder();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut stands_for = 0;
    for (at, cluster) in
        clusters.iter().enumerate().filter(|(at, _)| !clean.contains(at)).take(arguments.most)
    {
        let part = &parts[cluster.medoid];
        *classes.entry(part.class).or_default() += 1;
        let number = numbers.entry(&part.source).or_default();
        *number += 1;
        stands_for += cluster.members.len();
        builder.insert(&format!("{}-{number:04}", part.source), part.class, &part.tokens)?;
        if at < 5 {
            println!(
                "{}: {} texts of {} sources",
                part.class,
                cluster.members.len(),
                sources(&cluster.members)
            );
        }
    }
    let library = builder.build()?;
    let bytes = library.to_bytes();
    std::fs::write(arguments.models.join("known.bin"), &bytes)?;
    let known = KnownAttacks::new(library)?;
    let mut measured = BTreeMap::new();
    for path in &arguments.measure {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        measured.insert(name, measure(&known, &data::read(path)?));
    }
    println!("{}", serde_json::to_string_pretty(&measured)?);
    let card = json!({
        "recipe": "cargo xtask train known",
        "sha256": sha256(&bytes),
        "attacks": attacks.len(),
        "parts": parts.len(),
        "clusters": clusters.len(),
        "in_clean_texts": clean.len(),
        "clean_texts": benign.len(),
        "known": known.len(),
        "stand_for": stands_for,
        "measured": measured,
        "classes": classes,
        "sources": numbers,
        "options": {
            "near": arguments.near,
            "suspicious": arguments.suspicious,
            "cutoff": CUTOFF,
            "not_from": NOT_FROM,
            "words": [FEWEST_WORDS, MOST_WORDS],
        },
    });
    let text = serde_json::to_string_pretty(&card)? + "\n";
    Ok(std::fs::write(arguments.models.join("known.json"), text)?)
}

/// How many rows hold a known attack of a similarity at least: attacks, benign.
fn measure(known: &KnownAttacks, rows: &[Row]) -> BTreeMap<&'static str, [usize; 2]> {
    let best: Vec<(bool, f32)> = rows
        .par_iter()
        .filter_map(|row| {
            let views = normalise(crop(&row.text), &Limits::default()).views;
            let nearest =
                |view: &View| known.find(&view.canonical.text, CUTOFF, 1).first().map(|near| near.similarity);
            Some((row.is_attack(), views.iter().filter_map(nearest).max_by(f32::total_cmp)?))
        })
        .collect();
    let from = |least: f32| {
        [true, false].map(|attack| best.iter().filter(|&&(is, near)| is == attack && near >= least).count())
    };
    let mut counts: BTreeMap<_, _> = [("0.7", 0.7), ("0.8", 0.8), ("0.9", 0.9), ("1.0", 1.0)]
        .map(|(name, least)| (name, from(least)))
        .into();
    let of = |attack| rows.iter().filter(|row| row.is_attack() == attack).count();
    counts.insert("rows", [of(true), of(false)]);
    counts
}

fn crop(text: &str) -> &str {
    &text[..text.floor_char_boundary(TRAINING_CROP.min(text.len()))]
}

/// Of the most suspicious stretch of one to three sentences the first words.
fn part(row: &Row, model: &LexicalModel, suspicious: f32) -> Option<Part> {
    let class = match row.category.as_str() {
        "indirect_injection" => "indirect_injection",
        "jailbreak" => "jailbreak",
        "system_prompt_extraction" => "system_prompt_extraction",
        "data_exfiltration" => "data_exfiltration",
        _ => "prompt_injection",
    };
    let head = if class == "indirect_injection" { Head::Orders } else { Head::Manipulation };
    let views = normalise(crop(&row.text), &Limits::default()).views;
    let suspect = views
        .iter()
        .map(|view| view.remainder.as_ref().unwrap_or(&view.canonical).text.as_str())
        .filter_map(|text| Some((text, model.scores(text, head)?)))
        .max_by(|(_, a), (_, b)| a.peak.total_cmp(&b.peak))
        .filter(|(_, scores)| scores.peak >= suspicious)?;
    let (text, scores) = suspect;
    let tokens: Vec<u32> = known::words(&text[scores.range]).map(|(_, hash)| hash).take(MOST_WORDS).collect();
    (tokens.len() >= FEWEST_WORDS).then(|| Part { tokens, class, source: row.source.clone() })
}
