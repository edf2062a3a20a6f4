//! Work on all cores, results in the order of the input, memory bounded by a fixed number of items under way.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Takes results in order.
pub(crate) trait Sink<O> {
    /// The next result.
    fn take(&mut self, result: O) -> anyhow::Result<()>;

    /// Nothing is waiting: a good moment to flush.
    fn idle(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// The number of workers that was asked for, or one for each core.
pub(crate) fn workers(asked: Option<usize>) -> usize {
    asked.filter(|&jobs| jobs > 0).unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Applies `work` to every item on `workers` threads and hands the results to `sink` in the order of the items.
///
/// When the sink fails, the threads are left to end by themselves: one of them may be waiting for input that never
/// comes, and the process is about to end.
///
/// # Errors
/// The sink's, or that `work` panicked.
pub(crate) fn run<T: Send + 'static, O: Send + 'static>(
    workers: usize,
    items: impl Iterator<Item = T> + Send + 'static,
    work: impl Fn(T) -> O + Send + Sync + 'static,
    sink: &mut impl Sink<O>,
) -> anyhow::Result<()> {
    let under_way = 4 * workers;
    // A permit is spent when an item is read and given back when its result is written.
    let (give_permit, take_permit) = channel::<()>();
    for _ in 0..under_way {
        give_permit.send(())?;
    }
    let (send_item, items_for_workers) = sync_channel::<(u64, T)>(under_way);
    let (send_result, results) = channel::<(u64, thread::Result<O>)>();
    thread::Builder::new().name("reader".into()).spawn(move || {
        let mut numbered = (0..).zip(items);
        while take_permit.recv().is_ok() {
            let Some(item) = numbered.next() else { return };
            if send_item.send(item).is_err() {
                return;
            }
        }
    })?;
    let items_for_workers = Arc::new(Mutex::new(items_for_workers));
    let work = Arc::new(work);
    for number in 0..workers {
        let (items, work, send_result) = (items_for_workers.clone(), work.clone(), send_result.clone());
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            while let Some((position, item)) = next_item(&items) {
                let result = catch_unwind(AssertUnwindSafe(|| work(item)));
                if send_result.send((position, result)).is_err() {
                    return;
                }
            }
        })?;
    }
    drop((send_result, items_for_workers));
    let mut next = 0;
    let mut early = BTreeMap::new();
    loop {
        let (position, result) = match results.try_recv() {
            Ok(result) => result,
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {
                sink.idle()?;
                let Ok(result) = results.recv() else { return Ok(()) };
                result
            }
        };
        let result = result.map_err(|_| anyhow::anyhow!("a worker failed; this is a fault of aimds"))?;
        early.insert(position, result);
        while let Some(result) = early.remove(&next) {
            sink.take(result)?;
            next += 1;
            // The reader is gone at the end of the input.
            _ = give_permit.send(());
        }
    }
}

fn next_item<T>(items: &Mutex<Receiver<T>>) -> Option<T> {
    items.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Collect(Vec<u64>);

    impl Sink<u64> for Collect {
        fn take(&mut self, result: u64) -> anyhow::Result<()> {
            anyhow::ensure!(result != 666, "enough");
            self.0.push(result);
            Ok(())
        }
    }

    #[test]
    fn results_come_in_order_and_few_items_are_under_way() {
        let read = Arc::new(AtomicU64::new(0));
        let written = Arc::new(AtomicU64::new(0));
        let widest = Arc::new(AtomicU64::new(0));
        let items = {
            let (read, written, widest) = (read.clone(), written.clone(), widest.clone());
            (0..5_000_u64).inspect(move |_| {
                let ahead = read.fetch_add(1, Ordering::SeqCst) + 1 - written.load(Ordering::SeqCst);
                widest.fetch_max(ahead, Ordering::SeqCst);
            })
        };
        struct Count(Vec<u64>, Arc<AtomicU64>);
        impl Sink<u64> for Count {
            fn take(&mut self, result: u64) -> anyhow::Result<()> {
                self.0.push(result);
                self.1.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        }
        let mut sink = Count(Vec::new(), written);
        // The first item of every hundred is slow, so that the others overtake it.
        let work = |item: u64| {
            if item.is_multiple_of(100) {
                thread::sleep(std::time::Duration::from_millis(2));
            }
            item * 2
        };
        run(4, items, work, &mut sink).unwrap();
        assert_eq!(sink.0, (0..5_000).map(|item| item * 2).collect::<Vec<_>>());
        assert!(widest.load(Ordering::SeqCst) <= 17, "{widest:?} items were under way");
    }

    #[test]
    fn a_failing_sink_and_a_panicking_worker_end_the_run() {
        let mut sink = Collect(Vec::new());
        let error = run(2, (0..).map(|item| item * 333), |item| item, &mut sink).unwrap_err();
        assert_eq!((error.to_string().as_str(), sink.0), ("enough", vec![0, 333]));
        let error = run(
            2,
            0..9,
            |item: u64| if item == 3 { panic!("on purpose") } else { item },
            &mut Collect(vec![]),
        );
        assert_eq!(error.unwrap_err().to_string(), "a worker failed; this is a fault of aimds");
    }
}
