//! A list that grows without copying what it holds.
//!
//! A vector that doubles copies all it has, in one turn, and has twice the room it needs right after: with some ten thousand transactions that is a pause
//! that a call can see, and memory that is never used. Here each growth is one chunk more.

/// Values in a chunk.
const CHUNK: usize = 256;

/// Values by their place. The first chunk grows as a vector does, so that a short list is small; each other is made whole, once.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    /// The value at a place.
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }
    /// The value at a place.
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }
    /// Adds a value behind the last, at the place [`Chunks::len`] told.
    pub(crate) fn push(&mut self, value: T) {
        if self.len == self.chunks.len() * CHUNK {
            let room = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(room));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(value);
            self.len += 1;
        }
    }
    /// Lets go of the chunks at the end, but not of the first, in which all values are vacant, and hands these to `gone`. Whether there were any.
    pub(crate) fn trim(&mut self, is_vacant: impl Fn(&T) -> bool, mut gone: impl FnMut(&T)) -> bool {
        let before = self.len;
        while self.chunks.len() > 1
            && let Some(last) = self.chunks.pop_if(|last| last.iter().all(&is_vacant))
        {
            self.len -= last.len();
            last.iter().for_each(&mut gone);
        }
        self.chunks.shrink_to(self.chunks.len() * 2);
        self.len < before
    }
    /// All values, in the order of their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
    /// Octets of the list itself, its spare room included.
    #[cfg(test)]
    pub(crate) fn heap_size(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<T>()).sum();
        chunks + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_where_they_were_put_while_the_list_grows() {
        let mut list = Chunks::default();
        list.push(0);
        assert!(list.heap_size() < CHUNK * size_of::<usize>(), "a short list is small");
        for n in 1..3 * CHUNK + 1 {
            assert_eq!((list.len(), list.get(n)), (n, None));
            list.push(n);
        }
        assert!(list.iter().copied().eq(0..3 * CHUNK + 1));
        *list.get_mut(CHUNK).expect("the first of the second chunk") = 7;
        assert_eq!((list.get(CHUNK - 1), list.get(CHUNK)), (Some(&(CHUNK - 1)), Some(&7)));
        let second = std::ptr::from_ref(list.get(CHUNK).expect("there"));
        (0..CHUNK).for_each(|n| list.push(n));
        assert_eq!(std::ptr::from_ref(list.get(CHUNK).expect("there")), second);
    }

    #[test]
    fn the_end_is_let_go_of_as_far_as_nothing_stands_there() {
        let mut list = Chunks::default();
        (0..10 * CHUNK + 7).for_each(|n| list.push(n));
        let mut gone = Vec::new();
        let last = 4 * CHUNK + 3;
        assert!(!list.trim(|n| *n < last, |n| gone.push(*n)) && gone.is_empty(), "something stands at the very end");
        assert!(list.trim(|n| *n != last, |n| gone.push(*n)));
        gone.sort_unstable();
        assert!(gone.iter().copied().eq(5 * CHUNK..10 * CHUNK + 7));
        assert_eq!((list.len(), list.get(last), list.get(5 * CHUNK)), (5 * CHUNK, Some(&last), None));
        assert!(list.heap_size() <= 5 * CHUNK * size_of::<usize>() + 10 * size_of::<Vec<usize>>());
        (5 * CHUNK..6 * CHUNK + 1).for_each(|n| list.push(n));
        assert!(list.iter().copied().eq(0..6 * CHUNK + 1), "it grows on from there");
        assert!(list.trim(|_| true, |_| {}));
        assert!(list.iter().copied().eq(0..CHUNK), "a short list stays as it is");
    }

    #[test]
    fn what_lies_idle_is_less_than_a_chunk() {
        let mut list = Chunks::default();
        (0..10_000_u64).for_each(|n| list.push(n));
        let idle = list.heap_size() - 10_000 * size_of::<u64>();
        assert!(idle < (CHUNK + 200) * size_of::<u64>(), "{idle} octets");
    }
}
