//! Components that are small, and cost much. Each is accepted on one side of its limit and refused on the other.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail in any way")]
#![allow(clippy::format_collect, reason = "the texts are small")]

use durawasm_complexity::{
    ComplexityError, MAX_COMPONENT_DEPTH, MAX_DEPTH, MAX_INSTANCES, MAX_INSTANTIATIONS, MAX_PARTS, check,
    check_structure,
};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(u8::try_from(number & 127).unwrap() | 128);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], leb(content.len()).as_slice(), content].concat()
}

fn items(items: &[Vec<u8>]) -> Vec<u8> {
    [leb(items.len()), items.concat()].concat()
}

/// What is too complex, by the beginning of the message.
fn refused(bytes: &[u8]) -> &'static str {
    match check(bytes).unwrap_err() {
        ComplexityError::TooComplex { what, reached, limit } => {
            assert!(reached > limit, "{what} {reached} {limit}");
            what
        }
        error => panic!("{error}"),
    }
}

fn text(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

/// Types whose text is nested: a component, or an instance, in another.
fn nested_text(kind: u8, levels: usize) -> Vec<u8> {
    let ty = [[kind, 1, 1].repeat(levels - 1), vec![kind, 0]].concat();
    section(7, &items(&[ty]))
}

#[test]
fn the_text_of_types_is_nested_to_a_limit() {
    let limit = MAX_DEPTH as usize;
    for kind in [0x41, 0x42] {
        let component = |levels| [COMPONENT, &nested_text(kind, levels)].concat();
        check(&component(limit)).unwrap();
        assert_eq!(refused(&component(limit + 1)), "the depth of its types is");
        for levels in [5_000, 600_000] {
            assert_eq!(refused(&component(levels)), "the number of types in a section of types is");
        }
    }
}

#[test]
fn metadata_in_a_module_is_checked_like_a_component() {
    let module = |levels| {
        let metadata = [COMPONENT, &nested_text(0x41, levels)].concat();
        let name = b"\x17component-type:handlers".as_slice();
        [MODULE, &section(0, &[name, &metadata].concat())].concat()
    };
    check_structure(&module(50)).unwrap();
    assert!(check_structure(&module(5_000)).is_err());
}

#[test]
fn types_refer_to_types_to_a_limit() {
    let lists = |count: usize| {
        let lists = (1..count).map(|n| format!("(type $t{n} (list $t{}))", n - 1)).collect::<String>();
        text(&format!("(component (type $t0 (list u8)) {lists})"))
    };
    check(&lists(MAX_DEPTH as usize - 1)).unwrap();
    assert_eq!(refused(&lists(5_000)), "the depth of its types is");
}

/// A validator of wasmparser 0.254 panics at a depth of 128.
#[test]
fn instances_are_nested_in_types_to_a_limit() {
    let instances = |count: usize| {
        let one = |n| {
            format!(
                "(type $t{n} (instance (alias outer 1 $t{} (type $t)) (export \"a\" (instance (type $t)))))",
                n - 1
            )
        };
        text(&format!("(component (type $t0 (instance)) {})", (1..count).map(one).collect::<String>()))
    };
    check(&instances(MAX_DEPTH as usize - 1)).unwrap();
    assert_eq!(refused(&instances(200)), "the depth of its types is");
}

#[test]
fn instances_are_bundled_in_instances_to_a_limit() {
    let bundles = |count: usize| {
        let one = |n| format!("(instance $i{n} (export \"a\" (instance $i{})))", n - 1);
        text(&format!("(component (instance $i0) {})", (1..count).map(one).collect::<String>()))
    };
    check(&bundles(50)).unwrap();
    assert_eq!(refused(&bundles(5_000)), "the depth of its types is");
}

#[test]
fn an_alias_is_as_deep_as_what_it_names() {
    // Each instance uses the type that the one before exports, as interfaces use each other's types.
    let uses = |count: usize| {
        let one = |n: usize| {
            let previous = n - 1;
            format!(
                "(alias export $i{previous} \"t\" (type $t{previous})) \
                 (import \"a:b/c{n}\" (instance $i{n} (alias outer 1 $t{previous} (type $u)) (export \"t\" (type (eq $u)))))"
            )
        };
        let first = "(import \"a:b/c0\" (instance $i0 (type $r (record (field \"f\" u8))) (export \"t\" (type (eq $r)))))";
        text(&format!("(component {first} {})", (1..count).map(one).collect::<String>()))
    };
    check(&uses(1_000)).unwrap();
}

#[test]
fn components_are_nested_to_a_limit() {
    let nested =
        |levels| (1..levels).fold(COMPONENT.to_vec(), |inner, _| [COMPONENT, &section(4, &inner)].concat());
    let limit = MAX_COMPONENT_DEPTH as usize;
    check(&nested(limit)).unwrap();
    assert_eq!(refused(&nested(limit + 1)), "the depth of its components is");
}

#[test]
fn parts_are_counted() {
    let with = |modules| [COMPONENT, &section(1, MODULE).repeat(modules)].concat();
    let limit = usize::try_from(MAX_PARTS).unwrap();
    check(&with(limit - 1)).unwrap();
    assert_eq!(refused(&with(limit)), "the number of its modules and components is");
}

#[test]
fn instances_are_counted_as_often_as_they_are_made() {
    let doubled = |levels: usize| {
        let inner = "(component (core module $m) (core instance (instantiate $m)))".to_owned();
        let outer = |inner: String, _| {
            format!(
                "(component (component $c {}) (instance (instantiate $c)) (instance (instantiate $c)))",
                &inner[10..inner.len() - 1]
            )
        };
        text(&(0..levels).fold(inner, outer))
    };
    check(&doubled(7)).unwrap();
    for levels in [10, 28] {
        assert_eq!(refused(&doubled(levels)), "the number of its instances is");
    }
    let several = |count: usize| {
        text(&format!("(component (component $c) {})", "(instance (instantiate $c))".repeat(count)))
    };
    let limit = usize::try_from(MAX_INSTANTIATIONS).unwrap();
    check(&several(limit)).unwrap();
    assert_eq!(refused(&several(limit + 1)), "the number of its instantiations of components is");
    let core = |count: usize| {
        text(&format!("(component (core module $m) {})", "(core instance (instantiate $m))".repeat(count)))
    };
    let limit = usize::try_from(MAX_INSTANCES).unwrap();
    check(&core(limit)).unwrap();
    assert_eq!(refused(&core(limit + 1)), "the number of its instances is");
}

#[test]
fn an_alias_of_a_component_costs_as_much_as_the_component() {
    // The component that is doubled is an export of an instance, and an outer component.
    let exported = "(component $c (component $d (core module $m) (core instance (instantiate $m))) (export \"d\" (component $d)))
        (instance $i (instantiate $c)) (alias export $i \"d\" (component $e))";
    let double = |levels: usize| {
        let level = |n: usize| {
            format!(
                "(component $e{n} (alias outer 1 $e{p} (component $x)) (instance (instantiate $x)) (instance (instantiate $x)))",
                p = n - 1
            )
        };
        let first = "(component $e0 (alias outer 1 $e (component $x)) (instance (instantiate $x)))";
        let levels = (1..levels).map(level).collect::<String>();
        text(&format!("(component {exported} {first} {levels})"))
    };
    check(&double(8)).unwrap();
    assert_eq!(refused(&double(14)), "the number of its instances is");
}

#[test]
fn a_component_that_is_imported_is_not_instantiated() {
    let bytes = text("(component (import \"c\" (component $c)) (instance (instantiate $c)))");
    assert_eq!(check(&bytes).unwrap_err(), ComplexityError::ImportedComponent);
}

fn function(locals: usize, body: &str) -> Vec<u8> {
    text(&format!("(component (core module (func (local {}) {body})))", "i32 ".repeat(locals)))
}

/// Loops in loops, and all variables are used in the innermost.
fn loops(variables: usize, loops: usize) -> Vec<u8> {
    let uses = (0..variables)
        .map(|n| format!("local.get {n} i32.const 1 i32.add local.set {n} "))
        .collect::<String>();
    function(
        variables,
        &format!("{} {uses} {}", "loop ".repeat(loops), "i32.const 0 br_if 0 end ".repeat(loops)),
    )
}

#[test]
fn variables_times_blocks_are_limited() {
    check(&loops(100, 100)).unwrap();
    let costly = loops(5_000, 8_000);
    assert!(costly.len() < 150_000);
    check_structure(&costly).unwrap();
    assert_eq!(refused(&costly), "the work to compile one of its functions is");
    // 6 kB that take half a minute: each variable is changed in each of 300 loops.
    assert_eq!(refused(&loops(300, 300)), "the work to compile one of its functions is");
    // What is large without such products is not refused.
    check(&loops(1, 8_000)).unwrap();
    check(&loops(5_000, 1)).unwrap();
}

#[test]
fn the_work_of_all_functions_is_limited() {
    let functions = |count: usize| {
        let uses =
            (0..150).map(|n| format!("local.get {n} i32.const 1 i32.add local.set {n} ")).collect::<String>();
        let body = format!("{} {uses} {}", "loop ".repeat(100), "i32.const 0 br_if 0 end ".repeat(100));
        let function = format!("(func (local {}) {body})", "i32 ".repeat(150));
        text(&format!("(component (core module {}))", function.repeat(count)))
    };
    check(&functions(100)).unwrap();
    assert_eq!(refused(&functions(120)), "the work to compile its functions is");
}

#[test]
fn operands_of_branches_and_calls_are_counted() {
    let values = "i32 ".repeat(1_000);
    let wide = |count: usize| {
        text(&format!(
            "(component (core module (func (block (result {values}) {} {}) {})))",
            "i32.const 0 ".repeat(1_000),
            "i32.const 0 br_if 0 ".repeat(count),
            "drop ".repeat(1_000)
        ))
    };
    let calls = |count: usize| {
        text(&format!(
            "(component (core module (func $f (param {values}) (result {values}) unreachable) (func {} {} {})))",
            "i32.const 0 ".repeat(1_000),
            "call $f ".repeat(count),
            "drop ".repeat(1_000)
        ))
    };
    for (few, many) in [(wide(100), wide(25_000)), (calls(100), calls(12_000))] {
        check(&few).unwrap();
        assert!(many.len() < 200_000);
        assert_eq!(refused(&many), "the work to compile one of its functions is");
    }
}

#[test]
fn tables_and_memories_that_compilers_write_out_are_limited() {
    let tables = |count: usize| {
        text(&format!("(component {})", "(core module (table 1000000 funcref))".repeat(count)))
    };
    check(&tables(8)).unwrap();
    assert_eq!(refused(&tables(9)), "the number of elements in its tables is");
    let memories = |count: usize| {
        text(&format!(
            "(component {})",
            "(core module (memory 256) (data (i32.const 0) \"a\"))".repeat(count)
        ))
    };
    check(&memories(32)).unwrap();
    assert_eq!(refused(&memories(33)), "the number of bytes in its memories is");
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let whole = loops(3, 3);
    check(&whole).unwrap();
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << bit;
            let _ = check(&bytes);
        }
        let _ = check(&whole[..place]);
    }
}
