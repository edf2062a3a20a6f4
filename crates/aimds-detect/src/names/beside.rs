//! What the tagger found beside what the validators found.

use crate::validators::Hit;

/// Confidence from which a format is believed.
const BELIEVED: f32 = 0.5;

/// Cuts what was tagged where a format stands, which says more: a telephone number behind an address is no part of it. An
/// announced name needs no second finding, but may be longer than it seemed. Both lists are sorted by start, and neither
/// overlaps itself. O(n log n).
pub(crate) fn beside(text: &str, formats: &mut [Hit], tagged: Vec<Hit>) -> Vec<Hit> {
    let mut cut = |mut hit: Hit| {
        let from = formats.partition_point(|format| format.end <= hit.start);
        let within = |format: &&mut Hit| format.start < hit.end;
        let next = formats.get(from + 1).map_or(text.len(), |next| next.start);
        let near =
            formats.get_mut(from..)?.iter_mut().take_while(within).filter(|f| f.confidence >= BELIEVED);
        for format in near {
            if format.kind == hit.kind {
                format.end = format.end.max(hit.end.min(next));
                return None;
            }
            // the longer of what is left on both sides
            if format.start.saturating_sub(hit.start) >= hit.end.saturating_sub(format.end) {
                hit.end = format.start.max(hit.start);
                break;
            }
            hit.start = format.end;
        }
        let rest = text.get(hit.start..hit.end)?;
        let mark = |char: char| !char.is_alphanumeric();
        hit.start += rest.len() - rest.trim_start_matches(mark).len();
        hit.end -= rest.len() - rest.trim_end_matches(mark).len();
        (hit.start + 2 < hit.end).then_some(hit)
    };
    tagged.into_iter().filter_map(&mut cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validators::{Kind, PiiKind};

    fn hit(text: &str, part: &str, kind: PiiKind, confidence: f32) -> Hit {
        let start = text.find(part).unwrap();
        Hit { kind: Kind::Pii(kind), start, end: start + part.len(), confidence, explanation: "" }
    }

    #[track_caller]
    fn check(text: &str, format: (&str, PiiKind, f32), tagged: (&str, PiiKind), expected: Option<&str>) {
        let mut formats = [hit(text, format.0, format.1, format.2)];
        let left = beside(text, &mut formats, vec![hit(text, tagged.0, tagged.1, 0.9)]);
        let left: Vec<_> = left.iter().map(|hit| &text[hit.start..hit.end]).collect();
        assert_eq!(left, expected.into_iter().collect::<Vec<_>>(), "{text}");
    }

    #[test]
    fn formats_are_cut_out_of_what_was_tagged() {
        use PiiKind::*;
        let text = "at 4 Rue du Bac, 75007 Paris, 01 42 68 53 00 Anne Roy";
        let all = "4 Rue du Bac, 75007 Paris, 01 42 68 53 00";
        check(text, ("01 42 68 53 00", Phone, 0.9), (all, Address), Some("4 Rue du Bac, 75007 Paris"));
        check(text, ("01 42 68 53 00", Phone, 0.3), (all, Address), Some(all));
        check(text, ("4", Phone, 0.9), (all, Address), Some("Rue du Bac, 75007 Paris, 01 42 68 53 00"));
        check(text, (all, Phone, 0.9), ("Paris", Person), None);
        check(text, ("Anne Roy", Person, 0.55), ("Roy", Person), None);
        let mut announced = [hit(text, "Anne", Person, 0.55)];
        assert!(beside(text, &mut announced, vec![hit(text, "Anne Roy", Person, 0.9)]).is_empty());
        assert_eq!(&text[announced[0].start..announced[0].end], "Anne Roy");
        check(text, ("Paris", Url, 0.9), ("Anne Roy", Person), Some("Anne Roy"));
    }
}
