//! In which sections two configurations differ, and which of them need a restart.

use super::{GatewayConfig, LimitsFile};

/// A section, or a key of one, that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) section: &'static str,
    /// It takes effect while the gateway runs; else with the next start.
    pub(crate) live: bool,
}

impl GatewayConfig {
    /// Where the other configuration differs from this one, by the names in the file.
    pub(crate) fn differences(&self, other: &Self) -> Vec<Difference> {
        let Self {
            listen,
            tls,
            quic,
            limits,
            auth,
            upstream,
            anthropic,
            gemini,
            router,
            stream,
            block,
            audit,
            vault,
            policy,
            mitigation,
            review,
            scan_cache,
            sessions,
            notify,
            log,
            reload,
            graph,
            learn,
            rate_limits,
            admin,
            siem,
            shadow,
            telemetry,
        } = self;
        let sections = [
            ("listen", false, *listen != other.listen),
            ("tls", false, *tls != other.tls),
            ("quic", false, *quic != other.quic),
            ("limits", true, *limits != with_connections_of(&other.limits, limits)),
            ("auth", true, *auth != other.auth),
            ("upstream", true, *upstream != other.upstream),
            ("anthropic", true, *anthropic != other.anthropic),
            ("gemini", true, *gemini != other.gemini),
            ("router", false, *router != other.router),
            ("stream", true, *stream != other.stream),
            ("block", true, *block != other.block),
            ("audit", false, *audit != other.audit),
            ("vault", false, *vault != other.vault),
            ("policy", true, *policy != other.policy),
            ("mitigation", false, *mitigation != other.mitigation),
            ("review", false, *review != other.review),
            ("scan_cache", false, *scan_cache != other.scan_cache),
            ("sessions", false, *sessions != other.sessions),
            ("notify", false, *notify != other.notify),
            ("log", false, *log != other.log),
            ("reload", false, *reload != other.reload),
            ("siem", true, *siem != other.siem),
            ("rate_limits", true, *rate_limits != other.rate_limits),
            ("admin", true, *admin != other.admin),
            ("shadow", true, *shadow != other.shadow),
            ("telemetry", true, *telemetry != other.telemetry),
            ("graph", false, *graph != other.graph),
            ("learn", false, *learn != other.learn),
            ("limits.header_bytes", false, limits.header_bytes != other.limits.header_bytes),
            (
                "limits.header_read_timeout_ms",
                false,
                limits.header_read_timeout_ms != other.limits.header_read_timeout_ms,
            ),
            ("limits.answer_timeout_ms", false, limits.answer_timeout_ms != other.limits.answer_timeout_ms),
            ("limits.max_connections", false, limits.max_connections != other.limits.max_connections),
            ("limits.max_in_flight", false, limits.max_in_flight != other.limits.max_in_flight),
            ("limits.drain_timeout_ms", false, limits.drain_timeout_ms != other.limits.drain_timeout_ms),
        ];
        let different = sections.into_iter().filter(|(.., differs)| *differs);
        different.map(|(section, live, _)| Difference { section, live }).collect()
    }
}

/// The same limits apart from those that belong to the listeners.
fn with_connections_of(limits: &LimitsFile, other: &LimitsFile) -> LimitsFile {
    LimitsFile {
        header_bytes: other.header_bytes,
        answer_timeout_ms: other.answer_timeout_ms,
        header_read_timeout_ms: other.header_read_timeout_ms,
        max_connections: other.max_connections,
        max_in_flight: other.max_in_flight,
        drain_timeout_ms: other.drain_timeout_ms,
        ..limits.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_section() {
        let check = |text: &str, expected: &[(&str, bool)]| {
            let other = GatewayConfig::parse(text).unwrap();
            let found = GatewayConfig::default().differences(&other);
            let found: Vec<_> = found.iter().map(|found| (found.section, found.live)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &[]);
        check(
            "[block]\nstatus = 403\n[listen]\nhttp = \"127.0.0.1:1\"\n",
            &[("listen", false), ("block", true)],
        );
        check("[limits]\nbody_bytes = 5\n", &[("limits", true)]);
        check("[limits]\nmax_in_flight = 5\n", &[("limits.max_in_flight", false)]);
        check(
            "[limits]\nmax_in_flight = 5\njson_depth = 5\n",
            &[("limits", true), ("limits.max_in_flight", false)],
        );
    }
}
