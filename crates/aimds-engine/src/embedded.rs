//! What ships inside the binary: rules, models and the default policy.

use aimds_detect::Scanner;
use aimds_detect::encoder::Encoder;
use aimds_detect::known::KnownAttacks;
use aimds_detect::lexical::LexicalModel;
use aimds_detect::names::Tagger;
use aimds_detect::rules::{RuleFile, RuleSet};
use aimds_text::Limits;

use crate::EngineError;

/// The default policy, as text: the reference for operators who write their own.
pub const DEFAULT_POLICY: &str = include_str!("../../../policies/default.toml");

/// Every file under `rules/`, collected by the build script.
const RULES: &[&str] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

const LEXICAL: &[u8] = include_bytes!("../../../models/lexical.bin");
const KNOWN: &[u8] = include_bytes!("../../../models/known.bin");
const NAMES: &[u8] = include_bytes!("../../../models/names.bin");
const ENCODER_WORDS: &[u8] = include_bytes!("../../../models/encoder-words.bin");
const ENCODER_LAYERS: &[u8] = include_bytes!("../../../models/encoder.onnx");
const ENCODER_CALIBRATION: &str = include_str!("../../../models/encoder.toml");

/// The rules that ship inside the binary, as their authors wrote them.
///
/// # Errors
/// Never in a released binary: the tests read every file.
pub fn rule_files() -> Result<Vec<RuleFile>, EngineError> {
    RULES
        .iter()
        .map(|text| RuleFile::parse(text).map_err(|error| EngineError::RuleFile(error.to_string())))
        .collect()
}

/// The scanner that ships inside the binary.
pub(crate) fn scanner() -> Result<Scanner, EngineError> {
    let rules = RuleSet::compile(&rule_files()?)?;
    let encoder = Encoder::parse(ENCODER_WORDS, ENCODER_LAYERS, ENCODER_CALIBRATION)?;
    let lexical = LexicalModel::parse(LEXICAL)?;
    Ok(Scanner::new(rules, Some(lexical), Limits::default())
        .with_known(KnownAttacks::parse(KNOWN)?)
        .with_names(Tagger::parse(NAMES)?)
        .with_encoder(encoder))
}
