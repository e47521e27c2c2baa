//! The names of a component's functions.

/// Checks the names of a component's functions at compile time.
///
/// # Panics
/// If a name is not allowed, or used twice. It is called only in constants, so this is a compile error.
pub const fn check_names(names: &[&str]) {
    let mut rest = names;
    while let [name, others @ ..] = rest {
        let mut bytes = name.as_bytes();
        assert!(
            !bytes.is_empty() && bytes.len() <= 64,
            "a function's name has 1 to 64 characters: write \"name\" => function"
        );
        while let [byte, more @ ..] = bytes {
            assert!(
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
                "a function's name is made of A-Z a-z 0-9 - _: write \"name\" => function"
            );
            bytes = more;
        }
        let mut after = others;
        while let [other, more @ ..] = after {
            assert!(!same(name.as_bytes(), other.as_bytes()), "two functions have the same name");
            after = more;
        }
        rest = others;
    }
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    loop {
        match (a, b) {
            ([x, more_a @ ..], [y, more_b @ ..]) if *x == *y => (a, b) = (more_a, more_b),
            ([], []) => return true,
            _ => return false,
        }
    }
}
