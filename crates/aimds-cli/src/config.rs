//! `aimds config`: checks, shows and describes the gateway's configuration and the policy.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aimds_engine::{DEFAULT_POLICY, Policy, PolicyFile};
use aimds_gateway::{
    Config as Checked, DEFAULT_CONFIG, Digest, GatewayConfig, KeyPlace, SecretPlace, Setup, SharedLimitsTls,
    VaultKey, config_schema,
};
use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::cli::Global;
use crate::loading::{self, misconfigured};
use crate::{Status, terminal};

/// The subcommands of `aimds config`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Check a configuration, and the policy that it names; exit status 2 when it is refused
    Validate(Validate),
    /// Print the embedded configuration: the reference, every key with its default
    Show(Which),
    /// Print the JSON schema of the configuration
    Schema(Which),
}

/// Arguments of `aimds config validate`.
#[derive(Debug, Args)]
pub struct Validate {
    /// The configuration; the embedded one unless told otherwise
    pub file: Option<PathBuf>,
    /// FILE is a policy
    #[arg(long, requires = "file")]
    pub policy: bool,
}

/// Which kind of file.
#[derive(Debug, Args)]
pub struct Which {
    /// Of the policy instead
    #[arg(long)]
    pub policy: bool,
}

/// Runs `aimds config`.
///
/// # Errors
/// A configuration or policy that is refused; output that cannot be written.
pub fn run(config: &Config, global: &Global) -> anyhow::Result<Status> {
    let mut out = std::io::stdout().lock();
    match config {
        Config::Validate(Validate { file: Some(path), policy: true }) => {
            loading::policy(path)?;
            say_valid(path, global);
        }
        Config::Validate(Validate { file, .. }) => {
            read(file.as_deref())?;
            say_valid(file.as_deref().unwrap_or(Path::new("the embedded configuration")), global);
        }
        Config::Show(Which { policy }) => {
            out.write_all(if *policy { DEFAULT_POLICY } else { DEFAULT_CONFIG }.as_bytes())?;
        }
        Config::Schema(Which { policy }) => {
            let schema = if *policy { schemars::schema_for!(PolicyFile) } else { config_schema() };
            serde_json::to_writer_pretty(&mut out, &schema)?;
            writeln!(out)?;
        }
    }
    Ok(Status::Clean)
}

fn say_valid(path: &Path, global: &Global) {
    if !global.quiet {
        terminal::tell(format_args!("{} is valid", path.display()));
    }
}

/// Reads a configuration, or the embedded one, and the policy that it names. Relative paths in it start from its directory.
///
/// # Errors
/// Either is refused or cannot be read: the operator's to mend.
pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Setup> {
    let Some(path) = path else {
        return setup(GatewayConfig::parse(DEFAULT_CONFIG)?, Checked::embedded_default()?, DEFAULT_CONFIG);
    };
    let named = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(named).map_err(misconfigured)?;
    let file = GatewayConfig::parse(&text).with_context(named).map_err(misconfigured)?;
    let mut config = Checked::from_file(file.clone()).with_context(named).map_err(misconfigured)?;
    start_from(&mut config, path.parent().unwrap_or(Path::new("")));
    setup(file, config, &text)
}

fn setup(file: GatewayConfig, mut config: Checked, text: &str) -> anyhow::Result<Setup> {
    let mut shadow_digest = None;
    if let Some(path) = &config.shadow {
        let text = loading::policy_text(path)?;
        config.shadow_policy = Some(Arc::new(loading::parse_policy(path, &text)?));
        shadow_digest = Some(Digest::of(&text));
    }
    let (policy, policy_digest) = match &config.policy {
        None => (Policy::parse(DEFAULT_POLICY)?, Digest::of(DEFAULT_POLICY)),
        Some(path) => {
            let text = loading::policy_text(path)?;
            (loading::parse_policy(path, &text)?, Digest::of(&text))
        }
    };
    Ok(Setup { file, config, policy, config_digest: Digest::of(text), policy_digest, shadow_digest })
}

/// The files that [`read`] reads: the configuration, and the policies that it names.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let named = std::fs::read_to_string(path).ok().and_then(|text| GatewayConfig::parse(&text).ok());
    let policies = named.into_iter().flat_map(|file| [file.policy.path, file.shadow.policy]);
    let policies = policies.filter(|policy| !policy.is_empty());
    let directory = path.parent().unwrap_or(Path::new(""));
    std::iter::once(path.to_owned()).chain(policies.map(|policy| directory.join(policy))).collect()
}

/// Lets relative paths start from a directory.
fn start_from(config: &mut Checked, directory: &Path) {
    if let Some(policy) = &mut config.policy {
        *policy = directory.join(&policy);
    }
    if let Some(shadow) = &mut config.shadow {
        *shadow = directory.join(&shadow);
    }
    if let Some(ledger) = config.router.as_mut().and_then(|router| router.ledger.as_mut()) {
        *ledger = directory.join(&ledger);
    }
    if let Some(tls) = &mut config.tls {
        tls.start_from(directory);
    }
    for issuer in &mut config.issuers {
        if let KeyPlace::File(path) = &mut issuer.keys {
            *path = directory.join(&path);
        }
    }
    if let Some(state) = &mut config.mitigation.state {
        *state = directory.join(&state);
    }
    if let Some(review) = &mut config.review {
        review.path = directory.join(&review.path);
        if let Some(VaultKey::File(path)) = &mut review.key {
            *path = directory.join(&path);
        }
    }
    if let Some(graph) = &mut config.graph {
        graph.start_from(directory);
    }
    if let Some(learn) = &mut config.learn {
        learn.state = directory.join(&learn.state);
    }
    if let Some(file) = config.siem.as_mut().and_then(|siem| siem.file.as_mut()) {
        *file = directory.join(&file);
    }
    if let Some(shared) = &mut config.rate_limits.shared {
        if let Some(SecretPlace::File(path)) = &mut shared.password {
            *path = directory.join(&path);
        }
        if let Some(SharedLimitsTls::Authorities(path)) = &mut shared.tls {
            *path = directory.join(&path);
        }
    }
    if let Some(audit) = &mut config.audit {
        audit.path = directory.join(&audit.path);
    }
    if let Some(store) = config.vault.as_mut().and_then(|vault| vault.sessions.as_mut()?.file.as_mut()) {
        store.path = directory.join(&store.path);
        if let VaultKey::File(path) = &mut store.key {
            *path = directory.join(&path);
        }
    }
}
