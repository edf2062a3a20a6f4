//! Reading a number as people write it: groups of ASCII digits with separators. Every numeric family judges the
//! same reading, so a place in the text is read once.

use super::Input;

/// What stands between two groups of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// A space, also the non-breaking ones.
    Space,
    /// A hyphen, also the non-breaking one and the en dash.
    Hyphen,
    /// A full stop.
    Dot,
    /// A slash.
    Slash,
    /// An opening parenthesis, perhaps after a space.
    Open,
    /// A closing parenthesis, perhaps before a space or a hyphen.
    Close,
}

/// Longest run of digits without separator that any family reads.
const MAX_RUN: usize = 20;
/// Most groups read. Longer sequences are tables, not numbers of one person.
const MAX_GROUPS: usize = 8;

/// Groups of digits with what separates them.
#[derive(Clone, Debug)]
pub(super) struct Number {
    /// First byte of the first group.
    pub(super) start: usize,
    values: [u8; MAX_RUN * 2],
    /// Digits in each group.
    lengths: [u8; MAX_GROUPS],
    /// One past the last byte of each group.
    ends: [usize; MAX_GROUPS],
    /// Gap after group `i`.
    gaps: [Gap; MAX_GROUPS],
    groups: usize,
    /// Whether no further group follows.
    complete: bool,
}

impl Number {
    /// A number without digits.
    pub(super) fn none() -> Self {
        Self {
            start: 0,
            values: [0; MAX_RUN * 2],
            lengths: [0; MAX_GROUPS],
            ends: [0; MAX_GROUPS],
            gaps: [Gap::Space; MAX_GROUPS],
            groups: 0,
            complete: false,
        }
    }

    /// Reads from the digit at `start`; false where the first run of digits is longer than any format.
    pub(super) fn read(&mut self, input: Input<'_>, start: usize) -> bool {
        (self.start, self.groups, self.complete) = (start, 0, false);
        let fits = self.group_at(input, start);
        if fits {
            self.rest(input);
        }
        fits
    }

    /// Whether this can be nothing but the day or the year of a date: less than six digits, and too few groups for a
    /// network address; or a list of small numbers, as in tables.
    pub(super) fn is_small(&self) -> bool {
        let few = self.groups < 4 && self.digits(self.groups).len() < 6;
        let list = self.groups == MAX_GROUPS
            && matches!(self.lengths(), [1, 1, 1, ..])
            && self.values[0] != 0
            && self.gaps(3).iter().all(|gap| matches!(gap, Gap::Space));
        few || list
    }

    /// Becomes the number that begins with the second group, at `start`, as [`Number::read`] would read it, without
    /// reading again what is known: in a table every group begins a number. False if it does not begin there.
    pub(super) fn advance(&mut self, input: Input<'_>, start: usize) -> bool {
        let second = self.ends[1].checked_sub(usize::from(self.lengths[1]));
        // Where a group was too long to be read, it may fit now.
        let known = self.groups == MAX_GROUPS || self.complete && self.groups > 1;
        if !known || second != Some(start) {
            return false;
        }
        self.start = start;
        self.values.copy_within(usize::from(self.lengths[0]).min(MAX_RUN).., 0);
        self.lengths.copy_within(1.., 0);
        self.ends.copy_within(1.., 0);
        self.gaps.copy_within(1.., 0);
        self.groups -= 1;
        self.rest(input);
        true
    }

    /// Reads the groups after those that are known.
    fn rest(&mut self, input: Input<'_>) {
        while self.groups < MAX_GROUPS && !self.complete {
            let last = self.groups.wrapping_sub(1);
            let Some((gap, width)) = gap(input, self.end(self.groups)) else {
                self.complete = true;
                break;
            };
            if let Some(gaps) = self.gaps.get_mut(last) {
                *gaps = gap;
            }
            if !self.group_at(input, self.end(self.groups) + width) {
                break;
            }
        }
    }

    /// Reads one more group; false where it is longer than any format.
    fn group_at(&mut self, input: Input<'_>, group: usize) -> bool {
        let (mut at, count) = (group, self.digits(self.groups).len());
        while input.at(at).is_ascii_digit() && at - group <= MAX_RUN {
            if let Some(slot) = self.values.get_mut(count + at - group) {
                *slot = input.at(at) - b'0';
            }
            at += 1;
        }
        let length = at - group;
        if length > MAX_RUN || count + length > self.values.len() {
            return false;
        }
        let slot = self.groups;
        if let (Some(lengths), Some(ends)) = (self.lengths.get_mut(slot), self.ends.get_mut(slot)) {
            (*lengths, *ends) = (length as u8, at);
        }
        self.groups += 1;
        true
    }

    /// How many groups were read.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// Digits in each group.
    pub(super) fn lengths(&self) -> &[u8] {
        self.lengths.get(..self.groups).unwrap_or(&[])
    }

    /// Gaps between the first `groups` groups.
    pub(super) fn gaps(&self, groups: usize) -> &[Gap] {
        self.gaps.get(..groups.saturating_sub(1)).unwrap_or(&[])
    }

    /// The gap that follows the first `groups` groups, if another group follows.
    pub(super) fn gap_after(&self, groups: usize) -> Option<Gap> {
        (groups < self.groups).then(|| self.gaps.get(groups.wrapping_sub(1)).copied()).flatten()
    }

    /// Whether all gaps between the first `groups` groups are `gap`.
    pub(super) fn all_gaps(&self, groups: usize, gap: Gap) -> bool {
        self.gaps(groups).iter().all(|&other| other == gap)
    }

    /// Values of the digits of the first `groups` groups.
    pub(super) fn digits(&self, groups: usize) -> &[u8] {
        let count =
            self.lengths.iter().take(groups.min(self.groups)).map(|&length| usize::from(length)).sum();
        self.values.get(..count).unwrap_or(&[])
    }

    /// Values of the digits of group `index`.
    pub(super) fn group(&self, index: usize) -> &[u8] {
        let from = self.digits(index).len();
        self.digits(index + 1).get(from..).unwrap_or(&[])
    }

    /// One past the last byte of the first `groups` groups.
    pub(super) fn end(&self, groups: usize) -> usize {
        self.ends.get(groups.min(self.groups).wrapping_sub(1)).copied().unwrap_or(self.start)
    }
}

/// The gap at `at` and its width in bytes, when a digit follows it.
fn gap(input: Input<'_>, at: usize) -> Option<(Gap, usize)> {
    let (first, second, third) = (input.at(at), input.at(at + 1), input.at(at + 2));
    let digit = |byte: u8| byte.is_ascii_digit();
    match first {
        b' ' if digit(second) => Some((Gap::Space, 1)),
        b' ' if second == b'(' && digit(third) => Some((Gap::Open, 2)),
        // "030 / 1234567" and "0341 - 1234567"
        b' ' if second == b'/' && third == b' ' && digit(input.at(at + 3)) => Some((Gap::Slash, 3)),
        b' ' if second == b'-' && third == b' ' && digit(input.at(at + 3)) => Some((Gap::Hyphen, 3)),
        b'-' if digit(second) => Some((Gap::Hyphen, 1)),
        b'.' if digit(second) => Some((Gap::Dot, 1)),
        b'/' if digit(second) => Some((Gap::Slash, 1)),
        b'(' if digit(second) => Some((Gap::Open, 1)),
        b')' if digit(second) => Some((Gap::Close, 1)),
        b')' if matches!(second, b' ' | b'-') && digit(third) => Some((Gap::Close, 2)),
        0xc2 if second == 0xa0 && digit(third) => Some((Gap::Space, 2)),
        0xe2 if second == 0x80 && digit(input.at(at + 3)) => match third {
            0x89 | 0xaf => Some((Gap::Space, 3)),
            0x90 | 0x91 | 0x93 => Some((Gap::Hyphen, 3)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_groups_and_gaps() {
        let read = |text: &str, start| {
            let mut number = Number::none();
            number.read(Input::new(text), start).then_some(number)
        };
        let number = read("44 (0)20-7946.0958/1", 0).unwrap();
        assert_eq!(number.lengths(), [2, 1, 2, 4, 4, 1]);
        assert_eq!(number.gaps(6), [Gap::Open, Gap::Close, Gap::Hyphen, Gap::Dot, Gap::Slash]);
        assert_eq!(number.digits(3), [4, 4, 0, 2, 0]);
        assert_eq!(number.group(2), [2, 0]);
        assert_eq!(number.end(3), 8);
        assert!(read(&"9".repeat(21), 0).is_none());
        let table = "1 22-333.4 5 6/7 8 9999 (10) 11 12 131313131313131313131313 1 1 1 1 1 1 1 1 1";
        let mut number = read(table, 0).unwrap();
        while let Some(second) = number.ends[1].checked_sub(usize::from(number.lengths[1]))
            && number.advance(Input::new(table), second)
        {
            let seen = |number: &Number| {
                let groups = number.groups();
                let ends: Vec<_> = (0..=groups).map(|groups| number.end(groups)).collect();
                (
                    number.start,
                    number.lengths().to_vec(),
                    number.gaps(groups).to_vec(),
                    number.digits(groups).to_vec(),
                    ends,
                )
            };
            assert_eq!(seen(&number), seen(&read(table, second).unwrap()));
        }
        assert_eq!(number.start, 13);
        assert_eq!(read(&"1 ".repeat(99), 0).unwrap().groups(), MAX_GROUPS);
        assert_eq!(read("1\u{a0}2\u{2011}3", 0).unwrap().gaps(3), [Gap::Space, Gap::Hyphen]);
    }
}
