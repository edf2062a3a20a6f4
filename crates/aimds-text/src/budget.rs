//! How much work one text may cause, and whether it was enough.

/// Bounds on the work that normalising one text may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many encodings may lie inside each other.
    pub max_depth: usize,
    /// How many views may be made, the original included.
    pub max_views: usize,
    /// How many bytes all decoded views together may hold, beyond twice the length of the text.
    pub max_extra_bytes: usize,
}

impl Default for Limits {
    /// Four layers, 32 views, 256 KiB.
    fn default() -> Self {
        Self { max_depth: 4, max_views: 32, max_extra_bytes: 256 * 1024 }
    }
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exhausted {
    /// Decoded bytes.
    Bytes,
    /// Number of views.
    Views,
    /// Nesting of encodings.
    Depth,
}

/// What is left of the limits.
#[derive(Debug)]
pub(crate) struct Meter {
    bytes_left: usize,
    views_left: usize,
    pub(crate) exhausted: Option<Exhausted>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, input: usize) -> Self {
        Self {
            bytes_left: limits.max_extra_bytes.saturating_add(input.saturating_mul(2)),
            views_left: limits.max_views.saturating_sub(1),
            exhausted: None,
        }
    }

    /// Takes one view of `bytes` from the budget; false (and remembered) if there is not enough left.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        if self.views_left == 0 {
            self.exhausted.get_or_insert(Exhausted::Views);
            return false;
        }
        if bytes > self.bytes_left {
            self.exhausted.get_or_insert(Exhausted::Bytes);
            return false;
        }
        self.views_left -= 1;
        self.bytes_left -= bytes;
        true
    }

    pub(crate) fn too_deep(&mut self) {
        self.exhausted.get_or_insert(Exhausted::Depth);
    }
}
