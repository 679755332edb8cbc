//! Work cut into a fixed number of pieces and shared by threads. Results come back in the order of the pieces, so
//! sums are the same for any number of threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `work(piece)` for every piece, on up to `threads` threads.
pub(crate) fn map<T: Send>(pieces: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = threads.min(pieces).max(1);
    if threads == 1 {
        return (0..pieces).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(pieces));
    let run = || {
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces {
                return;
            }
            let result = work(piece);
            if let Ok(mut list) = done.lock() {
                list.push((piece, result));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    let mut list = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    list.sort_by_key(|x| x.0);
    list.into_iter().map(|x| x.1).collect()
}

/// The range of a piece when `n` things are cut into `pieces`.
pub(crate) fn range(n: usize, pieces: usize, piece: usize) -> std::ops::Range<usize> {
    n * piece / pieces..n * (piece + 1) / pieces
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_keep_their_order_for_any_number_of_threads() {
        for threads in 1..5 {
            assert_eq!(super::map(7, threads, |k| k * k), [0, 1, 4, 9, 16, 25, 36]);
        }
        assert_eq!(
            (0..3).flat_map(|k| super::range(10, 3, k)).collect::<Vec<_>>(),
            (0..10).collect::<Vec<_>>()
        );
    }
}
