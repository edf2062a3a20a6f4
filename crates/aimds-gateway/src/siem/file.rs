//! A file that is begun anew when it is full: `name`, and behind it `name.1` (the newest) to `name.N`.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// The file. It is opened for the first line.
pub(super) struct Rotated {
    path: PathBuf,
    open: Option<Open>,
    most: u64,
    /// Full files that are kept.
    keep: usize,
}

struct Open {
    out: BufWriter<File>,
    /// Bytes in it.
    length: u64,
}

impl Rotated {
    pub(super) fn new(path: PathBuf, most: u64, keep: usize) -> Self {
        Self { path, open: None, most, keep }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it can be opened.
    pub(super) fn check(&self) -> io::Result<()> {
        append(&self.path).map(drop)
    }

    /// Appends a line, to a new file where it would not fit any more.
    pub(super) fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let more = line.len() as u64;
        let length = self.open()?.length;
        if length > 0 && length.saturating_add(more) > self.most {
            self.rotate()?;
        }
        let open = self.open()?;
        open.out.write_all(line)?;
        open.length += more;
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), |open| open.out.flush())
    }

    fn open(&mut self) -> io::Result<&mut Open> {
        match &mut self.open {
            Some(open) => Ok(open),
            none => {
                let file = append(&self.path)?;
                let length = file.metadata()?.len();
                Ok(none.insert(Open { out: BufWriter::new(file), length }))
            }
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.flush()?;
        for number in (1..self.keep).rev() {
            let from = self.numbered(number);
            if from.exists() {
                fs::rename(from, self.numbered(number + 1))?;
            }
        }
        match self.keep {
            0 => fs::remove_file(&self.path)?,
            _ => fs::rename(&self.path, self.numbered(1))?,
        }
        self.open = None;
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // It tells who asked what kind of thing.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_behind_and_the_oldest_goes() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("detections.jsonl");
        let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap_or_default();
        let mut file = Rotated::new(path.clone(), 8, 2);
        for line in ["a1\n", "a2\n", "b1\n", "b2\n", "c1\n", "c2\n", "d1\n"] {
            file.write(line.as_bytes()).unwrap();
        }
        drop(file);
        assert_eq!(read("detections.jsonl"), "d1\n");
        assert_eq!(
            (read("detections.jsonl.1").as_str(), read("detections.jsonl.2").as_str()),
            ("c1\nc2\n", "b1\nb2\n")
        );
        assert!(!home.path().join("detections.jsonl.3").exists());
        // What is there is gone on with; a line that is longer than a file gets one.
        let mut file = Rotated::new(path.clone(), 8, 2);
        file.write(b"d2\n").unwrap();
        file.write(b"a line too long\n").unwrap();
        file.write(b"e\n").unwrap();
        file.flush().unwrap();
        assert_eq!(read("detections.jsonl"), "e\n");
        assert_eq!(
            (read("detections.jsonl.1").as_str(), read("detections.jsonl.2").as_str()),
            ("a line too long\n", "d1\nd2\n")
        );
    }
}
