//! Functions that Rust's standard library names and an older wasi-libc lacks.
//!
//! The wasi-libc that Debian packages predates several functions std refers to, so a guest that touches
//! files, threads or sockets would not link. `scripts/setup` compiles this file and adds the object to the
//! private toolchain's libc.a. Everything here fails with "not supported" instead of pretending to work,
//! except `realpath` (existing paths come back as given: symlinks are not followed) and the thread
//! attributes, which only matter to a `pthread_create` that always fails.
#![no_std]

use core::ffi::{c_char, c_int, c_void};

const ENOTSUP: c_int = 58;
const EAI_FAIL: c_int = -4;

type Ptr = *mut c_void;
type Str = *const c_char;

unsafe extern "C" {
    #[link_name = "errno"]
    static mut ERRNO: c_int;
    fn access(path: Str, mode: c_int) -> c_int;
    fn strdup(text: Str) -> *mut c_char;
    fn strcpy(to: *mut c_char, from: Str) -> *mut c_char;
}

/// Defines C functions that ignore their arguments and give a constant: `sets_errno` ones fail with -1 and
/// ENOTSUP in errno, `returns` ones give the value named.
macro_rules! stubs {
    (sets_errno: $($name:ident($($arg:ty),*) -> $out:ty;)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($(_: $arg),*) -> $out {
            // SAFETY: guests are single-threaded, so nothing else accesses errno meanwhile.
            unsafe { ERRNO = ENOTSUP };
            -1
        }
    )*};
    (returns: $($name:ident($($arg:ty),*) -> $out:ty = $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($(_: $arg),*) -> $out {
            $value
        }
    )*};
}

stubs! { sets_errno:
    chmod(Str, u32) -> c_int;
    fchmod(c_int, u32) -> c_int;
    socket(c_int, c_int, c_int) -> c_int;
    bind(c_int, Ptr, u32) -> c_int;
    connect(c_int, Ptr, u32) -> c_int;
    listen(c_int, c_int) -> c_int;
    getpeername(c_int, Ptr, *mut u32) -> c_int;
    getsockname(c_int, Ptr, *mut u32) -> c_int;
    setsockopt(c_int, c_int, c_int, Ptr, u32) -> c_int;
    recvfrom(c_int, Ptr, usize, c_int, Ptr, *mut u32) -> isize;
    sendto(c_int, Ptr, usize, c_int, Ptr, u32) -> isize;
}

stubs! { returns:
    pthread_attr_init(Ptr) -> c_int = 0;
    pthread_attr_setstacksize(Ptr, usize) -> c_int = 0;
    pthread_attr_destroy(Ptr) -> c_int = 0;
    pthread_create(Ptr, Ptr, Ptr, Ptr) -> c_int = ENOTSUP;
    pthread_join(Ptr, Ptr) -> c_int = ENOTSUP;
    pthread_detach(Ptr) -> c_int = ENOTSUP;
    getaddrinfo(Str, Str, Ptr, Ptr) -> c_int = EAI_FAIL;
    freeaddrinfo(Ptr) -> () = ();
    gai_strerror(c_int) -> Str = c"not supported".as_ptr();
}

/// The path itself when it exists, in `out` or, if that is null, in memory the caller frees; else null and
/// errno.
///
/// # Safety
/// `path` is a C string; `out` is null or has room for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realpath(path: Str, out: *mut c_char) -> *mut c_char {
    unsafe {
        if access(path, 0) != 0 {
            core::ptr::null_mut()
        } else if out.is_null() {
            strdup(path)
        } else {
            strcpy(out, path)
        }
    }
}
