//! What each attack hangs together by, kept in its node: its newest causes and likenesses. An index of attacks by their times
//! holds it, too, so that campaigns of many attacks are found by reading that alone. It follows from the edges and is made anew
//! whenever they change.

use rusqlite::{CachedStatement, Connection, params};

use super::read::{place, places};
use super::{as_limit, signed};
use crate::error::Error;
use crate::graph::{Place, Portion, Ties};
use crate::limits::Span;
use crate::model::NodeKind;

/// Edges of one attack in one direction that a question may follow; one more is kept, which says that there are more.
pub(super) const MOST: usize = 32;

/// A cause as it is kept: its kind, and its key.
const CAUSE_BYTES: usize = 9;
/// A likeness as it is kept: the other's key, and how alike.
const LIKENESS_BYTES: usize = 16;

const CAUSES: &str = "SELECT n.kind, e.cause FROM causes e INDEXED BY causes_up CROSS JOIN nodes n ON n.key = e.cause \
     WHERE e.effect = ?1 ORDER BY e.first_ms DESC LIMIT ?2";

const LIKENESS: &str = "SELECT other, weight FROM likeness INDEXED BY likeness_by_time WHERE node = ?1 \
     ORDER BY first_ms DESC LIMIT ?2";

/// The number of a kind must stand in the text, because the index is of this kind alone.
const ATTACKS: &str = "SELECT key, id, first_ms, last_ms, ties FROM nodes INDEXED BY attacks_by_time \
     WHERE tenant = ?1 AND kind = 4 AND first_ms BETWEEN ?2 AND ?3 ORDER BY first_ms DESC, id DESC LIMIT ?4";

/// Makes the ties of some attacks anew. O(attacks · [`MOST`] · log of the file).
pub(super) fn renew(conn: &Connection, attacks: impl IntoIterator<Item = i64>) -> Result<(), Error> {
    let mut causes = conn.prepare_cached(CAUSES)?;
    let mut likeness = conn.prepare_cached(LIKENESS)?;
    let mut update = conn.prepare_cached("UPDATE nodes SET ties = ?2 WHERE key = ?1")?;
    for attack in attacks {
        update.execute(params![attack, packed(attack, &mut causes, &mut likeness)?])?;
    }
    Ok(())
}

/// The same of all attacks.
pub(super) fn renew_all(conn: &Connection) -> Result<(), Error> {
    let mut statement = conn.prepare("SELECT key FROM nodes WHERE kind = ?1")?;
    let keys = statement.query_map([NodeKind::Attack.number()], |row| row.get(0))?;
    renew(conn, keys.collect::<rusqlite::Result<Vec<i64>>>()?)
}

/// How many causes there are, the causes, and the likenesses.
fn packed(
    attack: i64,
    causes: &mut CachedStatement<'_>,
    likeness: &mut CachedStatement<'_>,
) -> Result<Vec<u8>, Error> {
    let most = params![attack, as_limit(MOST + 1)];
    let mut bytes = vec![0];
    let (mut count, mut rows) = (0_u8, causes.query(most)?);
    while let Some(row) = rows.next()? {
        count += 1;
        bytes.push(row.get(0)?);
        bytes.extend(row.get::<_, i64>(1)?.to_le_bytes());
    }
    let mut rows = likeness.query(most)?;
    while let Some(row) = rows.next()? {
        bytes.extend(row.get::<_, i64>(0)?.to_le_bytes());
        bytes.extend(row.get::<_, f64>(1)?.to_le_bytes());
    }
    if let Some(first) = bytes.first_mut() {
        *first = count;
    }
    Ok(bytes)
}

/// Causes and likenesses as they were packed.
type Packed<'a> = (&'a [[u8; CAUSE_BYTES]], &'a [[u8; LIKENESS_BYTES]]);

/// Takes them apart; nothing where the bytes are no ties.
fn unpacked(bytes: &[u8]) -> Option<Packed<'_>> {
    // An attack without edges has none.
    let Some((&count, bytes)) = bytes.split_first() else { return Some((&[], &[])) };
    let (causes, likeness) = bytes.split_at_checked(usize::from(count) * CAUSE_BYTES)?;
    let (likeness, rest) = likeness.as_chunks();
    rest.is_empty().then_some((causes.as_chunks().0, likeness))
}

/// Attacks with their ties, of each at most `fan_out` in one direction, which is at most [`MOST`]. O(attacks).
pub(super) fn ties(
    conn: &Connection,
    tenant: i64,
    span: Span,
    limit: usize,
    fan_out: usize,
) -> Result<Ties<i64>, Error> {
    let (mut attacks, mut cause_keys, mut alike_keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut more = false;
    let mut truncated = each(conn, tenant, span, limit, |attack, bytes| {
        let (causes, likeness) = unpacked(bytes).ok_or(Error::Malformed { what: "ties" })?;
        more |= causes.len().max(likeness.len()) > fan_out;
        for &[kind, ref key @ ..] in causes.iter().take(fan_out) {
            if matches!(NodeKind::from_number(kind.into()), Some(NodeKind::Source | NodeKind::Pattern)) {
                cause_keys.push((i64::from_le_bytes(*key), attacks.len()));
            }
        }
        for &[k0, k1, k2, k3, k4, k5, k6, k7, ref weight @ ..] in likeness.iter().take(fan_out) {
            let other = i64::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7]);
            alike_keys.push((attacks.len(), other, f64::from_le_bytes(*weight)));
        }
        attacks.push(attack);
        Ok(())
    })?;
    truncated |= more;
    // They came the newest first, and are numbered from the oldest.
    attacks.reverse();
    let number = |read: usize| attacks.len() - 1 - read;
    let mut numbers: Vec<(i64, usize)> = attacks.iter().map(|attack| attack.key).zip(0..).collect();
    numbers.sort_unstable();
    let alike = |&(read, other, weight): &(usize, i64, f64)| {
        let place = numbers.binary_search_by_key(&other, |(key, _)| *key).ok()?;
        Some((number(read), numbers.get(place)?.1, weight))
    };
    let alike = alike_keys.iter().filter_map(alike).collect();
    cause_keys.sort_unstable();
    let mut keys: Vec<i64> = cause_keys.iter().map(|(key, _)| *key).collect();
    keys.dedup();
    let causes = places(conn, tenant, &keys)?;
    // Both in the order of the keys.
    let mut caused = Vec::with_capacity(cause_keys.len());
    let mut at = 0;
    for (key, read) in cause_keys {
        while causes.get(at).is_some_and(|cause| cause.key < key) {
            at += 1;
        }
        if causes.get(at).is_some_and(|cause| cause.key == key) {
            caused.push((number(read), at));
        }
    }
    Ok(Ties { attacks, causes, caused, alike, truncated })
}

/// Attacks, the newest first, and whether there are more.
pub(super) fn attacks(
    conn: &Connection,
    tenant: i64,
    span: Span,
    limit: usize,
) -> Result<Portion<Place<i64>>, Error> {
    let mut found = Vec::new();
    let truncated = each(conn, tenant, span, limit, |attack, _| {
        found.push(attack);
        Ok(())
    })?;
    Ok(Portion { found, truncated })
}

/// Shows attacks with their packed ties, the newest first; gives whether there are more.
fn each(
    conn: &Connection,
    tenant: i64,
    span: Span,
    limit: usize,
    mut see: impl FnMut(Place<i64>, &[u8]) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut statement = conn.prepare_cached(ATTACKS)?;
    let most = as_limit(limit.saturating_add(1));
    let mut rows = statement.query([tenant, signed(span.from_ms), signed(span.to_ms), most])?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        if seen == limit {
            return Ok(true);
        }
        seen += 1;
        let bytes = row.get_ref(4)?.as_blob_or_null().map_err(|_| Error::Malformed { what: "ties" })?;
        see(place(row)?, bytes.unwrap_or_default())?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_packed_is_unpacked() {
        assert_eq!(unpacked(&[]), Some((&[][..], &[][..])));
        assert_eq!(unpacked(&[0]), Some((&[][..], &[][..])));
        let mut whole = vec![1];
        whole.extend([7; CAUSE_BYTES]);
        whole.extend([8; LIKENESS_BYTES]);
        assert_eq!(unpacked(&whole), Some((&[[7; CAUSE_BYTES]][..], &[[8; LIKENESS_BYTES]][..])));
        for cut in 1..whole.len() - 1 {
            let found = unpacked(&whole[..cut]);
            assert_eq!(found.is_some(), cut == 1 + CAUSE_BYTES, "{cut}");
        }
    }

    /// Nothing is sorted, and nothing but the index is read.
    #[test]
    fn attacks_are_read_from_the_index_and_in_its_order() {
        assert!(ATTACKS.contains(&format!("kind = {} ", NodeKind::Attack.number())));
        let conn = Connection::open_in_memory().unwrap();
        super::super::schema::prepare(&conn).unwrap();
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {ATTACKS}")).unwrap();
        let lines = statement.query_map([1, 1, 1, 1], |row| row.get(3)).unwrap();
        let plan: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(plan.len(), 1, "{plan:?}");
        assert!(plan[0].starts_with("SEARCH nodes USING COVERING INDEX attacks_by_time"), "{plan:?}");
    }
}
