//! Reading lines in chunks: a chunk is what one read returned, cut at its last line end, so that a pipe is answered as
//! it speaks and a file is split into pieces for the workers. Memory is bounded by the longest line that is accepted.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::progress::Progress;

/// The longest line that is looked at.
pub(crate) const LONGEST_LINE: usize = 64 << 20;
const READ_AT_ONCE: usize = 128 << 10;

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Standard input, `-` on the command line.
    Stdin,
    /// A file; `.zst` is decompressed on the fly.
    File(PathBuf),
}

impl Source {
    /// From a command line argument.
    pub(crate) fn from_argument(argument: &str) -> Self {
        if argument == "-" { Self::Stdin } else { Self::File(argument.into()) }
    }

    /// The name for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "<stdin>".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Size on disk, where there is one.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => {
                path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len())
            }
        }
    }

    /// Opens it. What is read (compressed bytes included) is counted by `progress`.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(&self, progress: &Progress) -> anyhow::Result<Box<dyn Read + Send>> {
        let path = match self {
            Self::Stdin => return Ok(Box::new(progress.count(io::stdin()))),
            Self::File(path) => path,
        };
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        if file.metadata().is_ok_and(|file| file.is_dir()) {
            anyhow::bail!("cannot read {}: it is a directory", path.display());
        }
        let counted = progress.count(file);
        if is_zstd(path) {
            let decoder = zstd::stream::read::Decoder::new(counted)
                .with_context(|| format!("cannot decompress {}", path.display()))?;
            return Ok(Box::new(decoder));
        }
        Ok(Box::new(counted))
    }
}

fn is_zstd(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zst"))
}

/// Some whole lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Number of the first line, from 1.
    pub(crate) first_line: u64,
    /// The lines, or nothing where one line was longer than [`LONGEST_LINE`].
    pub(crate) bytes: Option<Vec<u8>>,
}

/// One line of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// Its bytes, without the line end.
    Bytes(&'a [u8]),
    /// It was longer than [`LONGEST_LINE`].
    TooLong,
}

impl Chunk {
    /// The lines that hold anything, with their numbers. Blank lines and a byte order mark are left out.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (u64, Line<'_>)> {
        let bytes = self.bytes.as_deref();
        let too_long = bytes.is_none().then_some((self.first_line, Line::TooLong));
        let whole = bytes.unwrap_or_default().split(|&byte| byte == b'\n').zip(self.first_line..);
        too_long.into_iter().chain(whole.filter_map(|(line, number)| {
            let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
            let line = line.trim_ascii();
            match line.len() {
                0 => None,
                1..=LONGEST_LINE => Some((number, Line::Bytes(line))),
                _ => Some((number, Line::TooLong)),
            }
        }))
    }
}

/// Cuts a reader into chunks.
pub(crate) struct Chunks<R> {
    reader: R,
    rest: Vec<u8>,
    next_line: u64,
    longest: usize,
    skipping: bool,
    done: bool,
}

impl<R: Read> Chunks<R> {
    /// Starts at line 1.
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, rest: Vec::new(), next_line: 1, longest: LONGEST_LINE, skipping: false, done: false }
    }

    #[cfg(test)]
    fn with_longest(reader: R, longest: usize) -> Self {
        Self { longest, ..Self::new(reader) }
    }

    /// Appends one read to `buffer`; 0 at the end.
    fn read_more(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let before = buffer.len();
        buffer.resize(before + READ_AT_ONCE, 0);
        let read = loop {
            match self.reader.read(buffer.get_mut(before..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        read
    }

    fn too_long(&mut self) -> Chunk {
        self.skipping = false;
        self.next_line += 1;
        Chunk { first_line: self.next_line - 1, bytes: None }
    }

    fn lines(&mut self, bytes: Vec<u8>) -> Chunk {
        let first_line = self.next_line;
        self.next_line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Chunk { first_line, bytes: Some(bytes) }
    }

    fn advance(&mut self) -> io::Result<Option<Chunk>> {
        let mut buffer = std::mem::take(&mut self.rest);
        // Only what follows a skipped line can already hold line ends; otherwise they are looked for in what is new.
        let mut searched = 0;
        while !self.done {
            let unseen = buffer.get(searched..).unwrap_or_default();
            if self.skipping {
                if let Some(end) = memchr::memchr(b'\n', unseen) {
                    self.rest = buffer.split_off(searched + end + 1);
                    return Ok(Some(self.too_long()));
                }
                buffer.clear();
            } else if let Some(end) = memchr::memrchr(b'\n', unseen) {
                self.rest = buffer.split_off(searched + end + 1);
                return Ok(Some(self.lines(buffer)));
            } else if buffer.len() > self.longest {
                self.skipping = true;
                buffer.clear();
            }
            searched = buffer.len();
            self.done = self.read_more(&mut buffer)? == 0;
        }
        if self.skipping {
            return Ok(Some(self.too_long()));
        }
        Ok((!buffer.is_empty()).then(|| self.lines(buffer)))
    }
}

impl<R: Read> Iterator for Chunks<R> {
    type Item = io::Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let chunk = self.advance();
        self.done |= chunk.is_err();
        chunk.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the bytes in pieces of the given length.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn check(input: &[u8], longest: usize, expected: &[(u64, &str)]) {
        for piece in 1..=input.len().max(1) {
            let mut seen = Vec::new();
            for chunk in Chunks::with_longest(Pieces(input, piece), longest) {
                let chunk = chunk.unwrap();
                for (number, line) in chunk.lines() {
                    let text = match line {
                        Line::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        Line::TooLong => "<too long>".into(),
                    };
                    seen.push((number, text));
                }
            }
            let seen: Vec<_> = seen.iter().map(|(number, text)| (*number, text.as_str())).collect();
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn lines_keep_their_numbers_however_the_reader_cuts_them() {
        check(b"", 99, &[]);
        check(b"a", 99, &[(1, "a")]);
        check(b"a\n", 99, &[(1, "a")]);
        check(b"a\r\n\n  \nbc\nd", 99, &[(1, "a"), (4, "bc"), (5, "d")]);
        check(b"\xef\xbb\xbfa\nb\n", 99, &[(1, "a"), (2, "b")]);
    }

    #[test]
    fn a_line_that_is_too_long_costs_its_length_in_time_and_not_in_memory() {
        let mut input = vec![b'x'; 50];
        input.extend(b"\nok\n");
        for piece in [1, 2, 7] {
            let chunks: Vec<_> =
                Chunks::with_longest(Pieces(&input, piece), 10).map(|chunk| chunk.unwrap()).collect();
            assert_eq!(chunks[0], Chunk { first_line: 1, bytes: None }, "in pieces of {piece}");
            assert_eq!(chunks.last().unwrap().first_line, 2);
        }
        let at_the_end: Vec<_> =
            Chunks::with_longest(Pieces(&[b'x'; 50], 7), 10).map(|c| c.unwrap()).collect();
        assert_eq!(at_the_end, [Chunk { first_line: 1, bytes: None }]);
    }
}
