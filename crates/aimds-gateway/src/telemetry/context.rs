//! The headers of W3C Trace Context, in which a trace goes from one program to the next.

use std::str::FromStr as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest `tracestate` that is gone on with: what everyone must be able to pass on (§3.3.1.5). A longer one is left out
/// whole.
const STATE_BYTES: usize = 512;

/// What a caller says. `None` where it says nothing, or anything that is not exactly as it must be: a new trace begins
/// then (§4.3).
pub(super) fn read(headers: &HeaderMap) -> Option<SpanContext> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (given.next(), given.next()) else { return None };
    let (trace, span, flags) = parent.to_str().ok().and_then(parse)?;
    Some(SpanContext::new(trace, span, flags, true, state(headers)))
}

/// Tells the next program.
pub(super) fn write(context: &SpanContext, headers: &mut HeaderMap) {
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    let parent = format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id());
    let state = context.trace_state().header();
    let named = [(TRACEPARENT, parent), (TRACESTATE, state)];
    for (name, text) in named.into_iter().filter(|(_, text)| !text.is_empty()) {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// Version, trace, parent and flags (§3.2.2). A later version may say more behind them; flags that are not known are
/// not passed on.
fn parse(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = text.trim_matches([' ', '\t']).splitn(5, '-');
    let mut number = |digits| parts.next().and_then(|part| hex(part, digits));
    let (version, trace, span, flags) = (number(2)?, number(32)?, number(16)?, number(2)?);
    let more = parts.next().is_some();
    if version == 0xff || version == 0 && more || trace == 0 || span == 0 {
        return None;
    }
    let span = SpanId::from_bytes(u64::try_from(span).ok()?.to_be_bytes());
    let sampled = if flags & 1 == 1 { TraceFlags::SAMPLED } else { TraceFlags::default() };
    Some((TraceId::from_bytes(trace.to_be_bytes()), span, sampled))
}

fn hex(part: &str, digits: usize) -> Option<u128> {
    let lower = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (part.len() == digits && lower).then(|| u128::from_str_radix(part, 16).ok()).flatten()
}

fn state(headers: &HeaderMap) -> TraceState {
    let lines = headers.get_all(TRACESTATE).iter().map(|line| line.to_str());
    let Ok(lines) = lines.collect::<Result<Vec<_>, _>>() else { return TraceState::NONE };
    let whole = lines.join(",");
    if whole.len() > STATE_BYTES {
        TraceState::NONE
    } else {
        TraceState::from_str(&whole).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, text) in lines {
            headers.append(*name, text.parse().unwrap());
        }
        headers
    }

    fn said(context: &SpanContext) -> String {
        let mut out = HeaderMap::new();
        write(context, &mut out);
        let text = |name: &HeaderName| out.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        format!("{} {}", text(&TRACEPARENT), text(&TRACESTATE)).trim_end().to_owned()
    }

    #[test]
    fn a_parent_is_read_strictly() {
        let check = |text: &str, expected: Option<bool>| {
            let found = read(&headers(&[("traceparent", text)]));
            assert_eq!(found.map(|context| context.is_sampled()), expected, "{text}");
        };
        check(&format!("00-{TRACE}-{SPAN}-01"), Some(true));
        check(&format!("00-{TRACE}-{SPAN}-00"), Some(false));
        check(&format!(" 00-{TRACE}-{SPAN}-ff\t"), Some(true));
        check(&format!("cc-{TRACE}-{SPAN}-01"), Some(true));
        check(&format!("cc-{TRACE}-{SPAN}-01-what-comes-later"), Some(true));
        let nothing = "0".repeat(32);
        for wrong in [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{nothing}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &nothing[..16]),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-+{}-01", &SPAN[1..]),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00_{TRACE}_{SPAN}_01"),
        ] {
            check(&wrong, None);
        }
        let twice = format!("00-{TRACE}-{SPAN}-01");
        assert!(read(&headers(&[("traceparent", &twice), ("traceparent", &twice)])).is_none());
        assert!(read(&headers(&[("tracestate", "a=b")])).is_none());
    }

    #[test]
    fn what_was_read_is_written_again() {
        let parent = format!("00-{TRACE}-{SPAN}-01");
        let check = |lines: &[&str], expected: &str| {
            let mut all = headers(&[("traceparent", &parent)]);
            for line in lines {
                all.append(TRACESTATE, line.parse().unwrap());
            }
            let found = said(&read(&all).unwrap());
            assert_eq!(found, format!("{parent} {expected}").trim_end(), "{lines:?}");
        };
        check(&[], "");
        check(&["congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"], "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
        check(&["a=1", "b=2"], "a=1,b=2");
        check(&["Not a list"], "");
        check(&[&format!("a={}", "x".repeat(200))], &format!("a={}", "x".repeat(200)));
        let long: Vec<_> = (0..4).map(|number| format!("k{number}={}", "x".repeat(200))).collect();
        check(&[&long.join(",")], "");
    }
}
