//! The allocator of the program: mimalloc, asked without an alignment where every piece has it anyhow.
//!
//! Calls are made of many small pieces that live as long as the call: mimalloc serves them at a third of the cost of the system's. Asked for a
//! piece with an alignment, version 3 takes a slower way, makes pieces larger whose size is no power of two, and is slower to free those; asked
//! for a piece alone it is quick, and aligns it to a word.
//!
//! Its memory is mapped in small pages: in pages of 2 MiB what one live piece holds resident depends on how the pieces around it came and went, and
//! 10,000 calls took 1.3 to 2.7 kB each from run to run instead of 1.2.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc, mi_zalloc_aligned,
};

unsafe extern "C" {
    /// Gives pages that have been empty for long enough (a second) back to the system; those of all threads, but for a page of each size at most that its thread
    /// keeps at hand. `force`: and those that have not.
    safe fn mi_collect(force: bool);
}

/// What every piece is aligned to.
const WORD: usize = size_of::<usize>();

/// Has the kernel map small pages only from now on. Where it does not know of this, memory is right too, only more of it is resident.
pub(crate) fn use_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}

/// Gives back to the system what has not been needed for a second. The allocator does that by itself, but only as it is used: what a flood needed last would
/// be kept for as long as it is quiet. To be called now and then.
pub(crate) fn give_back() {
    mi_collect(false);
}

/// To be the `#[global_allocator]`.
pub(crate) struct Allocator;

// SAFETY: pieces come from mimalloc, which gives each to one owner until it is freed and keeps what is in it when it is resized; they have
// the size asked for, and the alignment: that of a word without being asked, any other because it is asked for.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: mimalloc takes any size, and alignments that are powers of two, as those of a layout are.
        unsafe {
            match layout.align() <= WORD {
                true => mi_malloc(layout.size()).cast(),
                false => mi_malloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe {
            match layout.align() <= WORD {
                true => mi_zalloc(layout.size()).cast(),
                false => mi_zalloc_aligned(layout.size(), layout.align()).cast(),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, piece: *mut u8, _: Layout) {
        // SAFETY: the caller gives back a piece of this allocator, so one of mimalloc's.
        unsafe { mi_free(piece.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `alloc` and `dealloc`.
        unsafe {
            match layout.align() <= WORD {
                true => mi_realloc(piece.cast(), size).cast(),
                false => mi_realloc_aligned(piece.cast(), size, layout.align()).cast(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_all_sizes_have_their_alignment_and_keep_what_is_in_them() {
        for align in [1, 2, 4, 8, 16, 32, 64, 4_096] {
            let mut pieces = Vec::new();
            for size in (1..300).chain([512, 736, 1_024, 4_095, 70_000]) {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                let fill = size as u8;
                // SAFETY: the size is not zero; the piece is written and read within it, and freed below.
                unsafe {
                    let zeroed = Allocator.alloc_zeroed(layout);
                    assert!((0..size).all(|at| *zeroed.add(at) == 0), "{layout:?}");
                    Allocator.dealloc(zeroed, layout);
                    let piece = Allocator.alloc(layout);
                    assert!(!piece.is_null() && piece.addr().is_multiple_of(align), "{layout:?}");
                    piece.write_bytes(fill, size);
                    pieces.push((piece, layout, fill));
                }
            }
            for (piece, layout, fill) in pieces {
                let (old, new) = (layout.size(), layout.size() * 2 + 1);
                // SAFETY: each piece is of this allocator and layout, and freed once, with the layout it then has.
                unsafe {
                    let grown = Allocator.realloc(piece, layout, new);
                    assert!(!grown.is_null() && grown.addr().is_multiple_of(align), "{layout:?}");
                    assert!((0..old).all(|at| *grown.add(at) == fill), "{layout:?}");
                    Allocator.dealloc(grown, Layout::from_size_align(new, align).expect("a layout"));
                }
            }
        }
    }
}
