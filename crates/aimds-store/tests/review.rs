//! The review queue: states, bounds, one use of an approval, and what is erased.

use std::path::{Path, PathBuf};

use aimds_store::{
    Added, Decided, NewReview, ReviewCounts, ReviewFile, ReviewFilter, ReviewLimits, ReviewState,
};
use tempfile::TempDir;

const WIDE: ReviewLimits = ReviewLimits { pending: 100, tenant: 100, bytes: 1 << 20 };

fn home() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("review.db");
    (folder, path)
}

fn new<'a>(id: &'a str, digest: u8, at: u64) -> NewReview<'a> {
    NewReview {
        id,
        tenant: "acme",
        requester: "app",
        route: "/v1/guard",
        digest: [digest; 32],
        opened_ms: at,
        ends_ms: at + 100,
        sealed: b"needle",
    }
}

fn add(file: &mut ReviewFile, id: &str, digest: u8, at: u64) {
    assert_eq!(file.add(&new(id, digest, at), WIDE, false).unwrap(), Added::Waits { ended: vec![] });
}

fn decide(file: &mut ReviewFile, id: &str, approved: bool, at: u64) -> bool {
    let decided =
        Decided { approved, by: "ann", at_ms: at, ends_ms: at + 50, erase_ms: at + 500, said: b"reason" };
    file.decide(id, &decided).unwrap()
}

fn states(file: &ReviewFile) -> Vec<String> {
    let all = file.list(&ReviewFilter { state: None, tenant: None, limit: 100 }).unwrap();
    all.iter().map(|item| format!("{} {}", item.id, item.state.as_str())).collect()
}

#[test]
fn an_item_waits_is_decided_on_once_and_survives() {
    let (_folder, path) = home();
    let mut file = ReviewFile::open(&path).unwrap();
    add(&mut file, "a", 1, 10);
    add(&mut file, "b", 2, 11);
    assert!(file.add(&new("a", 3, 12), WIDE, false).is_err(), "the name is taken");
    let waits = file.standing(&[1; 32], 50).unwrap().unwrap();
    assert_eq!((waits.state, waits.ends_ms, waits.sealed), (ReviewState::Pending, 110, None));
    assert_eq!(file.standing(&[9; 32], 50).unwrap(), None);
    assert!(decide(&mut file, "a", true, 60));
    assert!(!decide(&mut file, "a", false, 61), "it is decided on");
    assert!(!decide(&mut file, "b", true, 111), "it has waited too long");
    assert!(!decide(&mut file, "c", true, 60));
    drop(file);
    let mut file = ReviewFile::open(&path).unwrap();
    assert_eq!(states(&file), ["b pending", "a approved"]);
    let item = file.get("a").unwrap().unwrap();
    assert_eq!((item.decided_by.as_deref(), item.decided_ms), (Some("ann"), Some(60)));
    assert_eq!((item.sealed.as_deref(), item.said.as_deref()), (Some(&b"needle"[..]), Some(&b"reason"[..])));
    assert!(decide(&mut file, "b", false, 61));
    let of = |state, tenant| file.list(&ReviewFilter { state, tenant, limit: 100 }).unwrap().len();
    assert_eq!((of(Some(ReviewState::Denied), None), of(None, Some("acme")), of(None, Some("x"))), (1, 2, 0));
}

#[test]
fn an_approval_is_used_once_and_in_time() {
    let (_folder, path) = home();
    let mut file = ReviewFile::open(&path).unwrap();
    for (id, digest, at) in [("a", 1, 0), ("b", 2, 0), ("c", 3, 0)] {
        add(&mut file, id, digest, at);
    }
    assert!(!file.take("a", 5).unwrap(), "it waits");
    assert!(decide(&mut file, "a", true, 10) && decide(&mut file, "b", true, 10));
    assert!(decide(&mut file, "c", false, 10));
    assert!(!file.take("c", 20).unwrap(), "it is denied");
    assert!(file.standing(&[3; 32], 20).unwrap().is_some(), "the denial stands");
    assert!(!file.take("b", 60).unwrap() && file.standing(&[2; 32], 60).unwrap().is_none(), "too late");
    // Of many who come at the same time, in several processes, one gets it.
    let taken = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| ReviewFile::open(&path).unwrap().take("a", 20).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|taken| *taken).count()
    });
    assert_eq!(taken, 1);
    assert_eq!(file.standing(&[1; 32], 20).unwrap(), None, "what was used does not count any more");
}

#[test]
fn what_waits_too_long_ends_with_the_default() {
    let (_folder, path) = home();
    let mut file = ReviewFile::open(&path).unwrap();
    add(&mut file, "a", 1, 0);
    add(&mut file, "b", 2, 50);
    assert_eq!(file.expire(99, None, 500).unwrap(), vec![]);
    let ended = file.expire(100, None, 500).unwrap();
    assert_eq!(ended.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(file.get("a").unwrap().unwrap().sealed, None, "its texts are gone");
    file.expire(150, Some(400), 500).unwrap();
    assert_eq!(states(&file), ["b approved", "a expired"]);
    assert_eq!(file.get("b").unwrap().unwrap().decided_by, None, "nobody did");
    assert!(file.take("b", 399).unwrap());
    assert!(!file.withdraw("a", 1, 2).unwrap());
    assert_eq!((file.erase(499).unwrap(), file.erase(500).unwrap()), (0, 2));
    assert_eq!(file.counts().unwrap(), ReviewCounts::default());
}

#[test]
fn a_full_queue_says_so_or_ends_what_has_waited_longest() {
    let (_folder, path) = home();
    let mut file = ReviewFile::open(&path).unwrap();
    let narrow = ReviewLimits { pending: 2, tenant: 100, bytes: 1 << 20 };
    add(&mut file, "a", 1, 1);
    add(&mut file, "b", 2, 2);
    assert_eq!(file.add(&new("c", 3, 3), narrow, false).unwrap(), Added::Full);
    let Added::Waits { ended } = file.add(&new("c", 3, 3), narrow, true).unwrap() else { panic!("full") };
    assert_eq!((ended[0].id.as_str(), ended[0].state), ("a", ReviewState::Expired));
    assert_eq!(states(&file), ["c pending", "b pending", "a expired"]);
    // 6 bytes wait in each of b and c; what was decided on makes place before anything that waits.
    let bytes = ReviewLimits { pending: 10, tenant: 100, bytes: 18 };
    assert!(decide(&mut file, "b", false, 10), "6 bytes of a reason come on top");
    assert_eq!(file.add(&new("d", 4, 11), bytes, false).unwrap(), Added::Waits { ended: vec![] });
    assert_eq!(states(&file), ["d pending", "c pending", "a expired"]);
    let huge = NewReview { sealed: &[0; 19], ..new("e", 5, 12) };
    assert_eq!(file.add(&huge, bytes, false).unwrap(), Added::Full);
    assert_eq!(states(&file), ["d pending", "c pending", "a expired"], "nothing changed");
    assert_eq!(file.add(&huge, bytes, true).unwrap(), Added::Full, "it never has a place");
    assert_eq!(file.counts().unwrap(), ReviewCounts { pending: 2, bytes: 12 });
}

#[test]
fn a_tenant_leaves_the_others_their_places() {
    let (_folder, path) = home();
    let mut file = ReviewFile::open(&path).unwrap();
    let limits = ReviewLimits { tenant: 2, ..WIDE };
    add(&mut file, "a", 1, 1);
    add(&mut file, "b", 2, 2);
    for make_room in [false, true] {
        assert_eq!(file.add(&new("c", 3, 3), limits, make_room).unwrap(), Added::TenantFull);
    }
    let other = NewReview { tenant: "another", ..new("d", 4, 4) };
    assert_eq!(file.add(&other, limits, false).unwrap(), Added::Waits { ended: vec![] });
    assert!(decide(&mut file, "a", false, 5));
    assert_eq!(file.add(&new("c", 3, 6), limits, false).unwrap(), Added::Waits { ended: vec![] });
}

fn on_disk(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).unwrap();
    let bytes: Vec<u8> = files.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    bytes.windows(6).any(|window| window == b"needle")
}

#[test]
fn what_is_erased_is_gone_from_the_disk() {
    let (folder, path) = home();
    let mut file = ReviewFile::open(&path).unwrap();
    add(&mut file, "a", 1, 0);
    add(&mut file, "b", 2, 0);
    assert!(on_disk(folder.path()));
    assert!(file.withdraw("a", 1, 500).unwrap());
    assert!(decide(&mut file, "b", true, 1));
    file.erase(501).unwrap();
    file.settle().unwrap();
    assert!(!on_disk(folder.path()));
}

#[test]
fn a_reader_sees_what_another_writes_and_other_files_are_refused() {
    let (folder, path) = home();
    assert!(ReviewFile::read(&path).is_err(), "there is none");
    let mut file = ReviewFile::open(&path).unwrap();
    let reader = ReviewFile::read(&path).unwrap();
    add(&mut file, "a", 1, 0);
    assert_eq!(states(&reader), ["a pending"]);
    let other = folder.path().join("vault.db");
    drop(aimds_store::SealedFile::open(&other).unwrap());
    let refused = ReviewFile::open(&other).unwrap_err().to_string();
    assert!(refused.contains("vault.db is not a file of this kind"), "{refused}");
    assert!(ReviewFile::read(&other).is_err());
}
