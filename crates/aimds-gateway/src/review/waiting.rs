//! Requests that are held until somebody has decided.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aimds_store::{ReviewItem, ReviewState};

use super::events::Event;
use super::{Reviews, millis};
use crate::app::{App, now_ms};

/// How often the file is asked, where another process may decide.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many requests wait for each item.
#[derive(Default)]
pub(super) struct Waiters(Mutex<HashMap<String, usize>>);

impl Waiters {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more.
    fn enter(&self, id: &str) {
        *self.lock().entry(id.to_owned()).or_default() += 1;
    }

    /// One less; whether it was the last.
    fn leave(&self, id: &str) -> bool {
        let mut waiting = self.lock();
        let left = waiting.get_mut(id).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == 0 {
            waiting.remove(id);
        }
        left == 0
    }
}

/// A request that waits. Dropped before somebody has decided, its caller has gone away.
struct Waiting {
    app: Arc<App>,
    id: String,
    ended: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(reviews) = &self.app.reviews else { return };
        if !reviews.waiters.leave(&self.id) || self.ended {
            return;
        }
        let (app, id) = (Arc::clone(&self.app), self.id.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Some(reviews) = &app.reviews {
                    reviews.withdraw(&app, id).await;
                }
            });
        }
    }
}

impl Reviews {
    /// Waits until an item is decided on or its time is up; the item as it stands then. At once where too many wait.
    pub(super) async fn wait(&self, app: &Arc<App>, mut item: ReviewItem) -> ReviewItem {
        let Ok(_place) = self.places.try_acquire() else { return item };
        self.waiters.enter(&item.id);
        let mut waiting = Waiting { app: Arc::clone(app), id: item.id.clone(), ended: false };
        loop {
            // Before the file is asked, so that nothing is decided unheard in between.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let id = item.id.clone();
            if let Ok(Some(now)) = self.shelf(move |shelf| Ok(shelf.file.get(&id)?)).await {
                item = now;
            }
            let left = item.ends_ms.saturating_sub(now_ms());
            if item.state != ReviewState::Pending {
                break;
            }
            if left == 0 {
                self.expire(app).await;
                // The file fails: nobody will decide.
                if now_ms().saturating_sub(item.ends_ms) > millis(LOOK_EVERY) {
                    break;
                }
            }
            let pause = Duration::from_millis(left.max(10)).min(LOOK_EVERY);
            let _ = tokio::time::timeout(pause, changed).await;
        }
        waiting.ended = true;
        item
    }

    /// Ends an item that nobody waits for any more.
    async fn withdraw(&self, app: &App, id: String) {
        let now = now_ms();
        let erase_ms = now.saturating_add(millis(self.config.keep));
        let withdrawn = self.shelf(move |shelf| {
            if shelf.file.withdraw(&id, now, erase_ms)? { Ok(shelf.file.get(&id)?) } else { Ok(None) }
        });
        if let Ok(Some(item)) = withdrawn.await {
            let _ = self.tell(app, Event::Withdrawn, &item, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_who_leaves_is_told_so() {
        let waiters = Waiters::default();
        waiters.enter("a");
        waiters.enter("a");
        waiters.enter("b");
        assert_eq!([waiters.leave("a"), waiters.leave("b"), waiters.leave("a")], [false, true, true]);
        assert!(waiters.lock().is_empty());
    }
}
