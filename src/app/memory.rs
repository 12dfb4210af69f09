//! Memory given back to the system.
//!
//! A rebuild moves many times what is kept afterwards. The C allocator that librdkafka uses keeps
//! what was freed in each thread's arena, and mimalloc keeps pages for the next time.

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
