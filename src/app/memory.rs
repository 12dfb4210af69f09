//! Memory given back to the system.
//!
//! A rebuild moves many times what is kept afterwards. The C allocator that librdkafka uses keeps
//! what was freed in each thread's arena, and mimalloc keeps pages for the next time.

/// mimalloc's `purge_delay`, in ms, which the crate does not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// From now on pages go back to the system when they are freed, not a while later: what a thread has
/// freed before it rests would stay with it, however long it rests.
pub fn keep_no_freed_pages() {
    // SAFETY: takes no pointer, and may be called from any thread at any time.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
}

/// Gives back what both allocators hold and nobody uses. Some milliseconds: for after a rebuild.
pub fn give_back() {
    // SAFETY: takes no pointer, and may be called from any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) };
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: as above.
    unsafe {
        libc::malloc_trim(0)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_delay() {
        // SAFETY: as above.
        let before = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert!(
            [10, 1_000].contains(&before),
            "its default in version 2 or 3: {before}"
        );
        keep_no_freed_pages();
        // SAFETY: as above.
        assert_eq!(unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) }, 0);
    }
}
