//! Reads the imports and exports of a component from its bytes.
//!
//! The bytes may be hostile. They are validated completely before they are interpreted, their size and number of items
//! are limited, and names are made printable. Nothing is compiled or run.

use std::{fs::File, io::Read, path::Path};

use durawasm_text::printable;
use serde::Serialize;
use wasmparser::{
    BinaryReaderError, FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator, WasmFeatures,
    component_types::{ComponentEntityType, ComponentItem},
    types::Types,
};

use durawasm_complexity::{MAX_COMPONENT_SIZE, check_structure};

use super::{
    inspect_error::{InspectError, MAX_ITEMS},
    stack::with_much_stack,
};

/// The imports and exports of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentSummary {
    /// Its size in bytes.
    pub size: u64,
    /// The imports.
    pub imports: Surface,
    /// The exports.
    pub exports: Surface,
}

/// The imports or the exports of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Surface {
    /// Interfaces, in the order of the component.
    pub interfaces: Vec<Interface>,
    /// Names of functions, types, modules and components outside of interfaces.
    pub others: Vec<String>,
}

/// An interface that a component imports or exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name without the version, such as `wasi:clocks/wall-clock`.
    pub name: String,
    /// Its version, such as `0.2.6`.
    pub version: Option<String>,
    /// The functions that the component imports or exports, such as `now` or `[method]context.step`.
    pub functions: Vec<String>,
}

impl Interface {
    /// The package's name, such as `wasi:clocks`.
    pub fn package(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The interface's name within its package, such as `wall-clock`.
    pub fn short_name(&self) -> &str {
        self.name.split_once('/').map_or("", |(_, name)| name)
    }
}

impl From<BinaryReaderError> for InspectError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid { reason: printable(error.message()), offset: error.offset() as u64 }
    }
}

/// Reads a component's file and inspects it.
pub fn inspect_file(path: &Path) -> Result<ComponentSummary, InspectError> {
    inspect(&read_bounded(path)?)
}

/// Reads a file whose size is within the limit for components.
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, InspectError> {
    // Reading a pipe or a device could block or not end.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(InspectError::NotAFile);
    }
    if metadata.len() > MAX_COMPONENT_SIZE {
        return Err(InspectError::TooLarge { size: metadata.len() });
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_COMPONENT_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Validates a component, and returns its imports and exports.
pub fn inspect(bytes: &[u8]) -> Result<ComponentSummary, InspectError> {
    let size = bytes.len() as u64;
    if size > MAX_COMPONENT_SIZE {
        return Err(InspectError::TooLarge { size });
    }
    if !Parser::is_component(bytes) {
        return Err(not_a_component(bytes));
    }
    with_much_stack(|| summarize(bytes))?
}

fn summarize(bytes: &[u8]) -> Result<ComponentSummary, InspectError> {
    check_structure(bytes)?;
    let outline = validate(bytes)?;
    let import = |name: &str| outline.types.component_item_for_import(name);
    let export = |name: &str| outline.types.component_item_for_export(name);
    let mut left = MAX_ITEMS;
    Ok(ComponentSummary {
        size: bytes.len() as u64,
        imports: surface(&outline.types, &outline.imports, import, &mut left)?,
        exports: surface(&outline.types, &outline.exports, export, &mut left)?,
    })
}

/// Describes bytes that are not a component.
fn not_a_component(bytes: &[u8]) -> InspectError {
    let looks_like = match bytes {
        [] => return InspectError::Empty,
        _ if Parser::is_core_wasm(bytes) => return InspectError::CoreModule,
        [0, b'a', b's', b'm', ..] => "the beginning of it, or a version that is not known",
        [0x7f, b'E', b'L', b'F', ..] => {
            "an ELF file (a native program, or a component that wasmtime has compiled)"
        }
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "a static library",
        [0x1f, 0x8b, ..] => "a gzip archive",
        [b'P', b'K', ..] => "a zip archive",
        _ if bytes.trim_ascii_start().starts_with(b"(component")
            || bytes.trim_ascii_start().starts_with(b"(module") =>
        {
            "its text format"
        }
        _ => "something else",
    };
    InspectError::NotWasm { looks_like }
}

/// The names that the outermost component imports and exports, and all types.
struct Outline<'a> {
    types: Types,
    imports: Vec<&'a str>,
    exports: Vec<&'a str>,
}

/// Validates the whole component, including the bodies of functions. Its complexity has been checked.
fn validate(bytes: &[u8]) -> Result<Outline<'_>, InspectError> {
    let features = WasmFeatures::default();
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    let mut types = None;
    for payload in parser.parse_all(bytes) {
        let payload = payload?;
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                let mut validator = function.into_validator(allocations);
                validator.validate(&body)?;
                allocations = validator.into_allocations();
            }
            ValidPayload::End(ended) => types = Some(ended), // the outermost component ends last
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
        match payload {
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export?.name.name);
                }
            }
            _ => {}
        }
    }
    let no_end =
        || InspectError::Invalid { reason: "it does not end".to_owned(), offset: bytes.len() as u64 };
    Ok(Outline { types: types.ok_or_else(no_end)?, imports, exports })
}

/// Splits names into interfaces with their functions, and others. Reduces `left` by the number of items.
fn surface<'t>(
    types: &'t Types,
    names: &[&str],
    item: impl Fn(&str) -> Option<&'t ComponentItem>,
    left: &mut usize,
) -> Result<Surface, InspectError> {
    let mut surface = Surface::default();
    let mut take = |count: usize| {
        *left = left.checked_sub(count).ok_or(InspectError::TooManyItems)?;
        Ok::<_, InspectError>(())
    };
    for name in names {
        take(1)?;
        let instance = match item(name).map(|item| item.ty) {
            Some(ComponentEntityType::Instance(id)) => Some(id),
            _ => None,
        };
        match (name.split_once('/'), instance) {
            (Some(_), Some(id)) => {
                let items = &types[id].exports;
                take(items.len())?;
                let is_function = |item: &ComponentItem| matches!(item.ty, ComponentEntityType::Func(_));
                let functions = items.iter().filter(|(_, item)| is_function(item));
                let functions = functions.map(|(name, _)| printable(name)).collect();
                let (name, version) = match name.split_once('@') {
                    Some((name, version)) => (name, Some(printable(version))),
                    None => (*name, None),
                };
                surface.interfaces.push(Interface { name: printable(name), version, functions });
            }
            _ => surface.others.push(printable(name)),
        }
    }
    Ok(surface)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_length(bytes: &[u8]) -> Vec<u8> {
        assert!(bytes.len() < 128, "one byte of LEB128");
        [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    /// A component that imports an instance with one function and exports the instance under another name: `(component
    /// (import IMPORT (instance $i (export FUNCTION (func)))) (export EXPORT (instance $i)))`.
    fn component(import: &str, function: &str, export: &str) -> Vec<u8> {
        let name = |name: &str| [&[0], with_length(name.as_bytes()).as_slice()].concat();
        let section = |id: u8, item: Vec<u8>| {
            [&[id], with_length(&[&[1], item.as_slice()].concat()).as_slice()].concat()
        };
        let instance_type = [&[0x42, 2, 1, 0x40, 0, 1, 0, 4], name(function).as_slice(), &[1, 0]].concat();
        [
            b"\0asm\x0d\0\x01\0".to_vec(),
            section(7, instance_type),
            section(10, [name(import).as_slice(), &[5, 0]].concat()),
            section(11, [name(export).as_slice(), &[5, 0, 0]].concat()),
        ]
        .concat()
    }

    fn clock_as_handler() -> Vec<u8> {
        component("wasi:clocks/wall-clock@0.2.6", "now", "durawasm:durable/functions@0.1.0")
    }

    fn said(bytes: &[u8]) -> String {
        inspect(bytes).unwrap_err().to_string()
    }

    #[test]
    fn imports_and_exports_are_told_with_versions_and_functions() {
        let bytes = clock_as_handler();
        let summary = inspect(&bytes).unwrap();
        let interface = |name: &str, version: &str| Interface {
            name: name.to_owned(),
            version: Some(version.to_owned()),
            functions: vec!["now".to_owned()],
        };
        assert_eq!(summary.size, bytes.len() as u64);
        assert_eq!(summary.imports.interfaces, [interface("wasi:clocks/wall-clock", "0.2.6")]);
        assert_eq!(summary.exports.interfaces, [interface("durawasm:durable/functions", "0.1.0")]);
        assert!(summary.contract_version().unwrap_err().to_string().contains("`registered`"));
    }

    #[test]
    fn instances_outside_interfaces_are_told_apart() {
        let summary = inspect(&component("loose", "f", "a:b/c")).unwrap();
        assert_eq!(summary.imports, Surface { interfaces: Vec::new(), others: vec!["loose".to_owned()] });
        assert_eq!(summary.exports.interfaces.first().unwrap().version, None);
    }

    #[test]
    fn what_is_no_component_is_named() {
        assert!(said(b"").contains("empty"));
        assert!(said(b"\0asm\x01\0\0\0").contains("core module, not a component"));
        assert!(said(b"\0asm").contains("the beginning of it"));
        assert!(said(b"\x7fELF....").contains("ELF"));
        assert!(said(b"  (component)").contains("text format"));
        assert!(said(b"#!/bin/sh").contains("something else"));
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = clock_as_handler();
        // After the header, a cut between sections leaves a smaller component.
        let ends: Vec<_> = (0..whole.len()).filter(|&end| inspect(&whole[..end]).is_ok()).collect();
        assert!(ends.len() <= 3, "{ends:?}");
        assert!(said(&whole[..whole.len() - 1]).contains("damaged or cut off"));
    }

    #[test]
    fn an_empty_component_is_a_component() {
        let summary = inspect(b"\0asm\x0d\0\x01\0").unwrap();
        assert_eq!((summary.imports, summary.exports), (Surface::default(), Surface::default()));
    }

    #[test]
    fn only_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(inspect_file(dir.path()), Err(InspectError::NotAFile)));
        assert!(matches!(inspect_file(&dir.path().join("nothing")), Err(InspectError::Read(_))));
        let large = dir.path().join("large.wasm");
        File::create(&large).unwrap().set_len(MAX_COMPONENT_SIZE + 1).unwrap();
        assert!(matches!(inspect_file(&large), Err(InspectError::TooLarge { .. })));
        let good = dir.path().join("good.wasm");
        std::fs::write(&good, clock_as_handler()).unwrap();
        assert!(inspect_file(&good).is_ok());
    }

    #[test]
    fn items_are_counted_across_interfaces() {
        let bytes = clock_as_handler();
        let outline = validate(&bytes).unwrap();
        let item = |name: &str| outline.types.component_item_for_import(name);
        let count = |mut left| surface(&outline.types, &outline.imports, item, &mut left).map(|_| left);
        assert_eq!(count(2).unwrap(), 0);
        assert!(matches!(count(1), Err(InspectError::TooManyItems)));
    }

    proptest! {
        #[test]
        fn damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut bytes = clock_as_handler();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let _ = inspect(&bytes);
        }
    }
}
