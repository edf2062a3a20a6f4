//! Reading the chain back and saying where it stops being true.
//!
//! One pass in order of `seq`, with the checkpoints read alongside: memory does not grow with the log.

use rusqlite::{Connection, Row, Statement as SqlStatement};
use serde_json::Value;

use crate::chain::{Hash, Head, LogTree, Statement, genesis, record_hash};
use crate::database::{Identity, Signed, Tail, is_corruption, read_head, read_signed, signed};
use crate::report::{Bad, Report, What};
use crate::trust::{KEY_KIND, Trust};
use crate::verify::{RECORD_COLUMNS, Stored};

/// Reads the whole log, or what comes after `since`.
pub(crate) fn walk(mut walker: Walker, conn: &Connection, since: Option<Head>) -> rusqlite::Result<Report> {
    match walker.run(conn, since) {
        Err(e) if is_corruption(&e) => {
            walker.bad(walker.segment(), walker.next, What::Unreadable { detail: e.to_string() });
        }
        other => other?,
    }
    Ok(walker.report)
}

/// What is known of the tree over the records that were read.
enum Tree {
    /// It has not begun, or the reading began in the middle of it.
    Unknown,
    /// That of all records since its first.
    Known(LogTree),
    /// Something was wrong since it began; it is not compared any more.
    Spoiled,
}

pub(crate) struct Walker {
    identity: Identity,
    trust: Trust,
    /// A head that is still to be met.
    expected: Option<Head>,
    /// The number that the next record must have.
    next: u64,
    /// The record before, as stored.
    last: Option<Tail>,
    last_broken: Option<u64>,
    /// The record of the last checkpoint that is there.
    last_checkpoint: u64,
    tree: Tree,
    /// Reading began in the middle: the tree may be taken from a checkpoint.
    from_the_middle: bool,
    /// A statement of format 2 was met: from there on there are no others.
    claims: bool,
    /// Breaks that the log recorded itself are settled: what came before them is not held against it.
    forgive_recorded: bool,
    report: Report,
}

impl Walker {
    pub(crate) fn new(identity: Identity, trust: Trust, expected: Option<Head>) -> Self {
        Self {
            identity,
            trust,
            expected,
            next: 1,
            last: None,
            last_broken: None,
            last_checkpoint: 0,
            tree: Tree::Unknown,
            from_the_middle: false,
            claims: false,
            forgive_recorded: false,
            report: Report::default(),
        }
    }

    /// Breaks that the log recorded itself count as settled.
    pub(crate) fn forgiving(self) -> Self {
        Self { forgive_recorded: true, ..self }
    }

    fn run(&mut self, conn: &Connection, since: Option<Head>) -> rusqlite::Result<()> {
        let empty = Head { segment: 1, seq: 0, hash: genesis(&self.identity.log_id, 1) };
        self.meet(&empty);
        if let Some(head) = since.filter(|head| head.seq > 0) {
            self.begin_after(conn, &head)?;
        }
        let after = signed(self.next).saturating_sub(1);
        // From the beginning, rows with numbers below 1 are looked at too: nobody honest wrote them.
        let after = if after == 0 { i64::MIN } else { after };
        let head = read_head(conn, self.identity)?;
        let columns = self.identity.signed_columns();
        let mut checkpoints =
            conn.prepare(&format!("SELECT {columns} FROM checkpoints WHERE seq > ?1 ORDER BY seq"))?;
        let mut checkpoints = Checkpoints::new(&mut checkpoints, after)?;
        let mut statement =
            conn.prepare(&format!("SELECT {RECORD_COLUMNS} FROM records WHERE seq > ?1 ORDER BY seq"))?;
        let mut rows = statement.query([after])?;
        while let Some(row) = rows.next()? {
            self.report.records += 1;
            let seq: i64 = row.get(0).unwrap_or(0);
            self.gap(seq);
            // Checkpoints of records that are not there come before the next record that is.
            while let Some((at, checkpoint)) = checkpoints.up_to(seq.saturating_sub(1))? {
                self.checkpoint(at, checkpoint.as_ref());
            }
            let covering = checkpoints.ahead().or(head.as_ref()).and_then(Option::as_ref);
            match Stored::decode(row) {
                Ok(stored) => self.record(&stored, covering),
                Err(column) => self.malformed(row, column),
            }
            while let Some((at, checkpoint)) = checkpoints.up_to(seq)? {
                self.checkpoint(at, checkpoint.as_ref());
            }
        }
        if let Some((seq, checkpoint)) = checkpoints.up_to(i64::MAX)? {
            self.cut_off(seq, checkpoint);
        }
        self.head(head, &empty);
        if let Some(expected) = self.expected {
            self.bad(expected.segment, expected.seq, What::ExpectedHead);
        }
        Ok(())
    }

    /// Takes a record as true if the log contains it under the given hash.
    fn begin_after(&mut self, conn: &Connection, head: &Head) -> rusqlite::Result<()> {
        let mut statement = conn.prepare(&format!("SELECT {RECORD_COLUMNS} FROM records WHERE seq = ?1"))?;
        let mut rows = statement.query([signed(head.seq)])?;
        let found = match rows.next()? {
            Some(row) => Stored::decode(row).ok().is_some_and(|stored| {
                let hash = record_hash(head.segment, head.seq, &stored.prev_hash, stored.fields);
                stored.segment == head.segment && stored.hash == head.hash && hash == head.hash
            }),
            None => false,
        };
        if !found {
            self.bad(head.segment, head.seq, What::ExpectedHead);
        }
        self.meet(head);
        self.from_the_middle = true;
        self.trust.follow_up_to(conn, head.seq)?;
        self.begin_at_checkpoint(conn, head)?;
        self.next = head.seq.saturating_add(1);
        self.last =
            Some(Tail { segment: signed(head.segment), seq: signed(head.seq), hash: Some(head.hash) });
        self.report.head = Some(*head);
        self.report.proven = if found { head.seq } else { 0 };
        Ok(())
    }

    /// Takes the tree from the last checkpoint up to `head`, if that is where the reading begins.
    fn begin_at_checkpoint(&mut self, conn: &Connection, head: &Head) -> rusqlite::Result<()> {
        let columns = self.identity.signed_columns();
        let sql = format!("SELECT {columns} FROM checkpoints WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1");
        let mut statement = conn.prepare(&sql)?;
        let mut rows = statement.query([signed(head.seq)])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        self.last_checkpoint = row.get::<_, i64>(0).unwrap_or(0).unsigned_abs();
        let checkpoint = read_signed(row).filter(|c| self.trust.fault(Statement::Checkpoint, c).is_none());
        if let Some(checkpoint) = checkpoint {
            self.claims = checkpoint.claim.is_some();
            if let Some(tree) = checkpoint.tree().filter(|_| checkpoint.head == *head) {
                self.tree = Tree::Known(tree);
            }
        }
        Ok(())
    }

    fn gap(&mut self, seq: i64) {
        if let Ok(seq) = u64::try_from(seq)
            && seq > self.next
        {
            self.bad(self.segment(), self.next, What::Missing { up_to: seq - 1 });
        }
    }

    fn record(&mut self, stored: &Stored<'_>, covering: Option<&Signed>) {
        let Ok(seq) = u64::try_from(stored.seq) else {
            return self.bad(stored.segment, 0, What::OutOfOrder { stored: stored.seq });
        };
        if seq < self.next {
            return self.bad(stored.segment, seq, What::OutOfOrder { stored: stored.seq });
        }
        let gap = seq > self.next;
        let segment = stored.segment;
        let last_segment = self.last.map_or(0, |t| t.segment);
        let same = signed(segment) == last_segment;
        if !same {
            self.report.segments += 1;
        } else if self.report.segments == 0 {
            self.report.segments = 1;
        }
        let mut broken_before = false;
        let expected_prev = if same {
            // After a gap there is nothing to compare with, and the gap has been reported.
            self.last.and_then(|t| t.hash).filter(|_| !gap)
        } else {
            if signed(segment) != last_segment.saturating_add(1) {
                self.bad(segment, seq, What::Segment);
            } else {
                broken_before = self.opening(segment, seq, stored.fields.body, gap);
            }
            Some(genesis(&self.identity.log_id, segment))
        };
        self.begin_tree(seq, covering, broken_before);
        if expected_prev.is_some_and(|hash| hash != stored.prev_hash) {
            self.bad(segment, seq, What::PrevHash);
        }
        if record_hash(segment, seq, &stored.prev_hash, stored.fields) != stored.hash {
            self.bad(segment, seq, What::Hash);
        }
        if let Tree::Known(tree) = &mut self.tree {
            tree.push(&stored.hash);
        }
        if stored.fields.kind == KEY_KIND.as_bytes() {
            self.trust.follow(seq, stored.fields.body);
        }
        let head = Head { segment, seq, hash: stored.hash };
        self.meet(&head);
        self.report.head = Some(head);
        self.last = Some(Tail { segment: signed(segment), seq: stored.seq, hash: Some(stored.hash) });
        self.next = seq.saturating_add(1);
    }

    /// A segment after the first begins with a record that names the last one before it: a whole segment
    /// cannot be taken out unseen. If it was begun because the chain was found broken, it says where; that
    /// stays a fault of the log for ever, though the evidence (the old head row) may have been replaced
    /// since. Returns whether it was.
    fn opening(&mut self, segment: u64, seq: u64, body: &[u8], gap: bool) -> bool {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let broken = text("event") == Some("segment_opened") && text("reason") == Some("chain_broken");
        if self.last.is_some() && !gap && body.get("previous") != Some(&previous_json(self.last)) {
            self.bad(segment, seq, What::Opening);
        } else if broken && self.forgive_recorded {
            self.report.first_bad = None;
        } else if broken {
            let number = |key: &str| body.pointer(&format!("/first_bad/{key}")).and_then(Value::as_u64);
            let (segment, seq) = (number("segment").unwrap_or(0), number("seq").unwrap_or(0));
            self.bad(segment, seq, What::Recorded);
        } else if text("event") == Some("log_replaced") && self.last.is_none() && !self.forgive_recorded {
            self.bad(segment, seq, What::Replaced);
        }
        broken
    }

    /// Begins the tree anew if the statement that covers this record says that it is the first leaf, where
    /// that can be: at the first record that was ever in a tree, and behind a break.
    fn begin_tree(&mut self, seq: u64, covering: Option<&Signed>, broken_before: bool) {
        let may_begin = match &self.tree {
            Tree::Unknown | Tree::Spoiled => true,
            Tree::Known(tree) => tree.frontier.size() == 0 || broken_before,
        };
        let first = covering.and_then(|statement| statement.claim).map(|claim| claim.first);
        if may_begin && first == Some(seq) {
            self.tree = Tree::Known(LogTree::beginning_at(seq));
        }
    }

    fn malformed(&mut self, row: &Row<'_>, column: &'static str) {
        let seq = row.get::<_, i64>(0).unwrap_or(0);
        let segment = row.get::<_, i64>(1).unwrap_or(0);
        self.bad(
            u64::try_from(segment).unwrap_or(0),
            u64::try_from(seq).unwrap_or(0),
            What::Malformed { column },
        );
        self.last = Some(Tail { segment, seq, hash: row.get(8).ok().map(Hash) });
        self.report.head = None;
        self.next = u64::try_from(seq).unwrap_or(0).max(self.next).saturating_add(1);
    }

    fn checkpoint(&mut self, seq: i64, checkpoint: Option<&Signed>) {
        let at = u64::try_from(seq).unwrap_or(0);
        let before = std::mem::replace(&mut self.last_checkpoint, at);
        let Some(checkpoint) = checkpoint else {
            return self.bad(self.segment(), at, What::Malformed { column: "checkpoints" });
        };
        self.report.checkpoints += 1;
        let matches = self.last.is_some_and(|t| {
            t.seq == seq
                && t.segment == signed(checkpoint.head.segment)
                && t.hash == Some(checkpoint.head.hash)
        });
        match self.trust.fault(Statement::Checkpoint, checkpoint) {
            Some(what) => self.bad(self.segment(), at, what),
            None if !matches => self.bad(checkpoint.head.segment, at, What::Checkpoint),
            None => self.claim(checkpoint, before),
        }
    }

    /// A checkpoint of a record behind the last: the log was longer once.
    fn cut_off(&mut self, seq: i64, checkpoint: Option<Signed>) {
        let Some(checkpoint) = checkpoint else {
            return self.bad(self.segment(), seq.unsigned_abs(), What::Malformed { column: "checkpoints" });
        };
        let Head { segment, seq, .. } = checkpoint.head;
        match self.trust.fault(Statement::Checkpoint, &checkpoint) {
            None => self.bad(segment, self.next, What::Truncated { reached: seq }),
            Some(what) => self.bad(segment, seq, what),
        }
    }

    /// What a good signature says of the tree and of the checkpoint before, which was `before`.
    fn claim(&mut self, statement: &Signed, before: u64) {
        let Head { segment, seq, .. } = statement.head;
        let Some(claim) = statement.claim else {
            if self.claims {
                return self.bad(segment, seq, What::Tree);
            }
            return self.prove(seq);
        };
        self.claims = true;
        if claim.previous != before {
            self.bad(segment, claim.previous.max(before), What::CheckpointMissing);
        }
        let Some(tree) = statement.tree() else { return self.bad(segment, seq, What::Tree) };
        match &self.tree {
            Tree::Known(known) if known.frontier.size() > 0 && *known != tree => {
                return self.bad(segment, seq, What::Tree);
            }
            Tree::Unknown if self.from_the_middle || tree.frontier.size() == 0 => {
                self.tree = Tree::Known(tree);
            }
            Tree::Unknown => return self.bad(segment, seq, What::Tree),
            Tree::Known(_) | Tree::Spoiled => {}
        }
        self.prove(seq);
    }

    fn head(&mut self, head: Option<Option<Signed>>, empty: &Head) {
        let last_seq = self.next.saturating_sub(1);
        let head = match head {
            Some(Some(head)) => head,
            absent_or_malformed => {
                let malformed = What::Malformed { column: "head" };
                let what = absent_or_malformed.map_or(What::HeadMissing, |_| malformed);
                return self.bad(self.segment(), last_seq, what);
            }
        };
        if let Some(what) = self.trust.fault(Statement::Head, &head) {
            return self.bad(self.segment(), last_seq, what);
        }
        let (segment, seq) = (head.head.segment, head.head.seq);
        if seq > last_seq {
            self.bad(segment, self.next, What::Truncated { reached: seq });
        } else if seq < last_seq {
            self.bad(self.segment(), seq + 1, What::BehindHead);
        } else if self.last.is_none() && head.head != *empty {
            self.bad(1, 0, What::HeadMismatch);
        } else if self.last.is_some() && self.report.head != Some(head.head) {
            self.bad(self.segment(), last_seq, What::HeadMismatch);
        } else {
            self.claim(&head, self.last_checkpoint);
        }
        if self.last.is_none() && seq == 0 {
            self.report.head = Some(*empty);
        }
    }

    fn prove(&mut self, seq: u64) {
        if self.report.first_bad.is_none() {
            self.report.proven = seq;
        }
    }

    fn meet(&mut self, head: &Head) {
        if self.expected.as_ref() == Some(head) {
            self.expected = None;
        }
    }

    fn segment(&self) -> u64 {
        self.last.map_or(1, |t| u64::try_from(t.segment).unwrap_or(0))
    }

    fn bad(&mut self, segment: u64, seq: u64, what: What) {
        if self.last_broken != Some(segment) {
            self.last_broken = Some(segment);
            self.report.broken_segments += 1;
        }
        self.tree = Tree::Spoiled;
        // A checkpoint or the head may be looked at after the record it concerns, but never before: the first
        // fault found is the first in the log. (Only a checkpoint that is not there is noticed at the next.)
        self.report.first_bad.get_or_insert(Bad { segment, seq, what });
    }
}

/// How the opening record of a segment names the record before it, as stored, broken or not.
pub(crate) fn previous_json(tail: Option<Tail>) -> Value {
    tail.map_or(Value::Null, |t| {
        serde_json::json!({ "segment": t.segment, "seq": t.seq, "hash": t.hash.map(|hash| hash.to_string()) })
    })
}

/// The checkpoints in order, one read ahead.
struct Checkpoints<'s> {
    rows: rusqlite::Rows<'s>,
    ahead: Option<(i64, Option<Signed>)>,
}

impl<'s> Checkpoints<'s> {
    fn new(statement: &'s mut SqlStatement<'_>, after: i64) -> rusqlite::Result<Self> {
        let mut this = Self { rows: statement.query([after])?, ahead: None };
        this.advance()?;
        Ok(this)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        self.ahead = self.rows.next()?.map(|row| (row.get(0).unwrap_or(0), read_signed(row)));
        Ok(())
    }

    fn up_to(&mut self, seq: i64) -> rusqlite::Result<Option<(i64, Option<Signed>)>> {
        if self.ahead.as_ref().is_none_or(|(at, _)| *at > seq) {
            return Ok(None);
        }
        let taken = self.ahead.take();
        self.advance()?;
        Ok(taken)
    }

    /// The next one.
    fn ahead(&self) -> Option<&Option<Signed>> {
        self.ahead.as_ref().map(|(_, checkpoint)| checkpoint)
    }
}
