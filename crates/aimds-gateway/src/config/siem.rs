//! Where detections are sent while they happen.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at_least_one;
use super::error::{ConfigError, value};

/// Where detections are sent while they happen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SiemFile {
    /// How an event is written.
    pub format: SiemFormat,
    /// File that events are appended to; empty for none.
    pub file: String,
    /// Size from which on a new file is begun, in bytes.
    pub file_bytes: u64,
    /// Full files that are kept beside the one that is written.
    pub files: usize,
    /// Address of a syslog server, `udp://host:port` or `tcp://host:port`; empty for none.
    pub syslog: String,
    /// Events that wait. More are dropped, and counted.
    pub queue: NonZeroUsize,
}

impl Default for SiemFile {
    fn default() -> Self {
        Self {
            format: SiemFormat::Ocsf,
            file: String::new(),
            file_bytes: 64 << 20,
            files: 4,
            syslog: String::new(),
            queue: at_least_one(8192),
        }
    }
}

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SiemFormat {
    /// Open Cybersecurity Schema Framework, JSON on one line.
    Ocsf,
    /// Common Event Format.
    Cef,
}

/// Where detections are sent while they happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiemConfig {
    /// How an event is written.
    pub format: SiemFormat,
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Size from which on a new file is begun, in bytes.
    pub file_bytes: u64,
    /// Full files that are kept.
    pub files: usize,
    /// The syslog server, if there is one.
    pub syslog: Option<SyslogAddress>,
    /// Events that wait.
    pub queue: usize,
}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogAddress {
    /// Over TCP, with octet counting (RFC 6587 §3.4.1); else over UDP (RFC 5426).
    pub tcp: bool,
    /// Host and port.
    pub address: String,
}

pub(super) fn resolve(file: SiemFile) -> Result<Option<SiemConfig>, ConfigError> {
    if file.file_bytes < 4096 {
        return Err(value("siem.file_bytes", "must be at least 4096"));
    }
    if file.files > 1000 {
        return Err(value("siem.files", "must be at most 1000"));
    }
    if file.queue.get() > 1 << 20 {
        return Err(value("siem.queue", "must be at most 1048576"));
    }
    let syslog = match file.syslog.as_str() {
        "" => None,
        address => Some(syslog(address)?),
    };
    let path = (!file.file.is_empty()).then(|| PathBuf::from(file.file));
    if path.is_none() && syslog.is_none() {
        return Ok(None);
    }
    Ok(Some(SiemConfig {
        format: file.format,
        file: path,
        file_bytes: file.file_bytes,
        files: file.files,
        syslog,
        queue: file.queue.get(),
    }))
}

fn syslog(address: &str) -> Result<SyslogAddress, ConfigError> {
    let refused = || value("siem.syslog", "must be udp://host:port or tcp://host:port");
    let (scheme, address) = address.split_once("://").ok_or_else(refused)?;
    let tcp = match scheme {
        "tcp" => true,
        "udp" => false,
        _ => return Err(refused()),
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(refused());
    }
    Ok(SyslogAddress { tcp, address: address.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut SiemFile), expected: &str) {
        let mut file = SiemFile::default();
        change(&mut file);
        let found = match resolve(file) {
            Ok(config) => format!("{:?}", config.and_then(|config| config.syslog)),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn an_address_is_complete_or_refused() {
        check(|_| (), "None");
        check(|file| file.syslog = "udp://[::1]:514".into(), "tcp: false, address: \"[::1]:514\"");
        check(|file| file.syslog = "tcp://siem.example.org:601".into(), "tcp: true");
        for wrong in ["siem:514", "udp://siem", "udp://:514", "http://siem:514", "udp://siem:syslog"] {
            check(
                |file| file.syslog = wrong.into(),
                "siem.syslog: must be udp://host:port or tcp://host:port",
            );
        }
        check(|file| file.file_bytes = 1, "siem.file_bytes: must be at least 4096");
        check(|file| file.files = 1001, "siem.files: must be at most 1000");
    }
}
